//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd || windows)

package host

import "os"

// StatFile describes an open file as it is now.
func StatFile(f *os.File) (Stat, error) {
	info, err := f.Stat()
	if err != nil {
		return Stat{}, err
	}
	return fromInfo(info), nil
}

// StatIn is [StatFile] for an entry of dir; a symbolic link is not followed.
func StatIn(dir *os.File, name string) (Stat, error) {
	path, err := within("lstat", dir, name)
	if err != nil {
		return Stat{}, err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return Stat{}, err
	}
	return fromInfo(info), nil
}

func fromInfo(info os.FileInfo) Stat {
	st := Stat{Size: info.Size(), Links: 1, Mode: info.Mode(), UID: -1, GID: -1}
	identify(&st, info)
	return st
}
