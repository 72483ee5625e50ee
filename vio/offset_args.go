package vio

// offsetArgs returns the arguments behind the first three of preadv(2) and
// pwritev(2) on the BSDs, which differ as those of pread(2) do in x/sys: NetBSD
// has a padding argument and DragonFly flags in front of the offset, 32-bit
// machines pass the offset in two halves (all that are supported are
// little-endian), and FreeBSD on arm begins it at an even register.
func offsetArgs(goos, goarch string, off int64) [3]uintptr {
	lo, hi := uintptr(off), uintptr(off>>32)
	padded := goos == "netbsd" || goos == "dragonfly" || goos == "freebsd" && goarch == "arm"
	switch wide := goarch != "386" && goarch != "arm"; {
	case padded && wide:
		return [3]uintptr{0, lo, 0}
	case padded:
		return [3]uintptr{0, lo, hi}
	case wide:
		return [3]uintptr{lo, 0, 0}
	}
	return [3]uintptr{lo, hi, 0}
}
