package vio

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Flags ask for one transfer to be done in another way than the file was
// opened for: the flags of preadv2(2) and pwritev2(2). Every one may be refused
// by a kernel or file system. What happens then is fixed for each, and other
// systems than Linux refuse all of them:
//
//	flag       Linux  means                                  if refused
//	HiPri      4.6    poll the device (O_DIRECT)             left out
//	DSync      4.7    data on the disk before the return     fdatasync after the write
//	Sync       4.7    and all metadata too                   fsync after the write
//	NoWait     4.14   EAGAIN instead of waiting              errors.ErrUnsupported
//	Append     4.16   to the end, whatever the offset        nothing if f is open with
//	                                                         O_APPEND, else ErrUnsupported
//	NoAppend   6.9    to the offset in spite of O_APPEND     nothing if f is open without
//	                                                         O_APPEND, else ErrAppendMode
//	Atomic     6.11   all or nothing after a power failure   errors.ErrUnsupported
//	DontCache  6.14   leave nothing in the page cache        left out
//
// What is not refused is done by the kernel in one call. [Supported] tells which
// these are for a file.
type Flags uint32

// The flags, with the values of Linux's uapi/linux/fs.h. DSync, Sync, Append,
// NoAppend and Atomic are for writes only.
const (
	HiPri     Flags = 0x01
	DSync     Flags = 0x02
	Sync      Flags = 0x04
	NoWait    Flags = 0x08
	Append    Flags = 0x10
	NoAppend  Flags = 0x20
	Atomic    Flags = 0x40
	DontCache Flags = 0x80

	readFlags  = HiPri | NoWait | DontCache
	writeFlags = readFlags | DSync | Sync | Append | NoAppend | Atomic
)

var flagNames = []string{"HiPri", "DSync", "Sync", "NoWait", "Append", "NoAppend", "Atomic", "DontCache"}

// String returns the names of the flags, parted by |.
func (fl Flags) String() string {
	var names []string
	for i, name := range flagNames {
		if bit := Flags(1) << i; fl&bit != 0 {
			names = append(names, name)
			fl &^= bit
		}
	}
	if fl != 0 || len(names) == 0 {
		names = append(names, fmt.Sprintf("%#x", uint32(fl)))
	}
	return strings.Join(names, "|")
}

// ReadvFlags is [ReadvAt], or with off == [Current] [Readv], with flags, which
// may be HiPri, NoWait and DontCache; others are refused with EINVAL.
//
// With NoWait a read that would have to wait for a disk or a pipe returns what
// is at hand, or an error that is [syscall.EAGAIN] if that is nothing.
func ReadvFlags(f *os.File, bufs [][]byte, off int64, flags Flags) (n int64, err error) {
	if off < Current || flags&^readFlags != 0 {
		return 0, badOffset("readvflags", f, bufs)
	}
	return readCall("readvflags", f, bufs, place{off, flags})
}

// WritevFlags is [WritevAt], or with off == [Current] [Writev], with flags.
// Unknown flags, and Append together with NoAppend, are refused with EINVAL.
//
// With Append the bytes go to the end, and off says only whether the position
// goes along (Current) or stays; where the flag is refused it goes along. If DSync or Sync are refused and the write is
// done but its synchronisation fails, n is what was written and err is the
// cause: the bytes are in the file, and nothing is known of the disk. Do not
// call it again to be sure: after such an error the kernel takes the pages for
// clean, and a second fdatasync succeeds without having written them (fsync(2)).
func WritevFlags(f *os.File, bufs [][]byte, off int64, flags Flags) (n int64, err error) {
	if off < Current || badWriteFlags(flags) {
		return 0, badOffset("writevflags", f, bufs)
	}
	return writeCall("writevflags", f, bufs, writePlace(off, flags), once)
}

// AppendvFlags is [Appendv] with flags. It refuses NoAppend, and unknown flags,
// with EINVAL. With Append f need not be open with [os.O_APPEND]. What
// [WritevFlags] says of DSync and Sync holds here too.
func AppendvFlags(f *os.File, bufs [][]byte, flags Flags) (n int64, err error) {
	if badWriteFlags(flags) || flags&NoAppend != 0 {
		return 0, badOffset("appendvflags", f, bufs)
	}
	return writeCall("appendvflags", f, bufs, place{Current, flags}, whole)
}

func badWriteFlags(flags Flags) bool {
	return flags&^writeFlags != 0 || flags&Append != 0 && flags&NoAppend != 0
}

// writePlace is the place of a write at off. Without Append a write to an offset
// asks for NoAppend, since Linux would append to a file that is open with
// O_APPEND (pwrite(2), BUGS).
func writePlace(off int64, flags Flags) place {
	if off != Current && flags&Append == 0 {
		flags |= NoAppend
	}
	return place{off, flags}
}

// Supported tells which flags the system carries out on f by itself, for reads
// and for writes; the others have the replacements that the table of [Flags]
// names. It is an error if f is nil or closed.
//
// The answer is found by trying each flag once with a transfer that cannot move
// a byte, and kept as long as f is. To the kernel it is a write all the same: it
// may set the modification time and clear the set-user-ID bit. Only for regular
// files is there such a transfer; for others the answer is none, though a call
// with flags may succeed. Atomic
// depends on length and offset as well: what is told is whether f can have it
// at all.
func Supported(f *os.File) (read, write Flags, err error) {
	if f == nil {
		return 0, 0, newError("supported", f, 0, 0, os.ErrInvalid)
	}
	if err := checkOpen(f); err != nil {
		return 0, 0, newError("supported", f, 0, 0, err)
	}
	a, _ := answersFor(f)
	return a.read, a.write, nil
}

// answers are the flags that the system carries out on a file.
type answers struct{ read, write Flags }

// writeFlagged is writeOnce with flags, and with what replaces the refused ones.
func writeFlagged(f *os.File, v *vector, p place, m mode) (int, error) {
	if p.flags == 0 {
		return writeOnce(f, v, p, m)
	}
	if a, ok := knownAnswers(f); ok {
		return writeReduced(f, v, p, m, p.flags&^a.write)
	}
	n, err := writeReduced(f, v, p, m, 0)
	if !refused(err) {
		return n, err
	}
	a, ok := answersFor(f)
	if !ok {
		// Which one is refused is not to be had; those that can be left out go
		// first.
		if n, err = writeReduced(f, v, p, m, p.flags&(HiPri|DontCache)); !refused(err) {
			return n, err
		}
	}
	return writeReduced(f, v, p, m, p.flags&^a.write)
}

// writeReduced writes without the flags that are missing.
func writeReduced(f *os.File, v *vector, p place, m mode, missing Flags) (int, error) {
	if missing&(NoWait|Atomic) != 0 {
		return 0, errors.ErrUnsupported
	}
	if missing&(Append|NoAppend) != 0 {
		appends, err := appends(f)
		switch {
		case err != nil:
			return 0, err
		case appends && missing&NoAppend != 0:
			return 0, ErrAppendMode
		case !appends && missing&Append != 0:
			return 0, errors.ErrUnsupported
		case missing&Append != 0:
			p.off = Current // where O_APPEND finds the end on every system
		}
	}
	p.flags &^= missing
	n, err := writeOnce(f, v, p, m)
	if err != nil || n == 0 || missing&(DSync|Sync) == 0 {
		return n, err
	}
	return n, syncAfter(f, missing)
}

// readFlagged is readOnce with flags, and with what replaces the refused ones.
func readFlagged(f *os.File, v *vector, p place, m mode) (int, error) {
	if p.flags == 0 {
		return readOnce(f, v, p, m)
	}
	if a, ok := knownAnswers(f); ok {
		return readReduced(f, v, p, m, p.flags&^a.read)
	}
	n, err := readReduced(f, v, p, m, 0)
	if !refused(err) {
		return n, err
	}
	a, ok := answersFor(f)
	if !ok {
		if n, err = readReduced(f, v, p, m, p.flags&(HiPri|DontCache)); !refused(err) {
			return n, err
		}
	}
	return readReduced(f, v, p, m, p.flags&^a.read)
}

func readReduced(f *os.File, v *vector, p place, m mode, missing Flags) (int, error) {
	if missing&NoWait != 0 {
		return 0, errors.ErrUnsupported
	}
	p.flags &^= missing
	n, err := readOnce(f, v, p, m)
	if n == 0 && err == nil && p.flags&NoWait != 0 {
		return 0, wouldWait(f, p)
	}
	return n, err
}
