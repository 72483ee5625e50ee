package host

import (
	"os"

	"golang.org/x/sys/windows"
)

// StatFile describes an open file as it is now.
func StatFile(f *os.File) (Stat, error) {
	var st Stat
	err := control("stat", f, func(h windows.Handle) (err error) {
		st, err = statHandle(h)
		return err
	})
	if err != nil {
		return Stat{}, err
	}
	// What package os makes of the attributes is what its users know.
	info, err := f.Stat()
	if err != nil {
		return Stat{}, err
	}
	st.Mode = info.Mode()
	return st, nil
}

// StatIn is [StatFile] for an entry of dir; a symbolic link is not followed.
func StatIn(dir *os.File, name string) (Stat, error) {
	const op = "stat"
	path, err := within(op, dir, name)
	if err != nil {
		return Stat{}, err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return Stat{}, err
	}
	path16, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return Stat{}, pathError(op, path, err)
	}
	h, err := windows.CreateFile(path16, 0,
		windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, nil, windows.OPEN_EXISTING,
		windows.FILE_FLAG_BACKUP_SEMANTICS|windows.FILE_FLAG_OPEN_REPARSE_POINT, 0)
	if err != nil {
		return Stat{}, pathError(op, path, err)
	}
	st, err := statHandle(h)
	_ = windows.CloseHandle(h) // it was only asked; there is nothing to lose
	if err != nil {
		return Stat{}, pathError(op, path, err)
	}
	st.Mode = info.Mode()
	return st, nil
}

func statHandle(h windows.Handle) (Stat, error) {
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(h, &info); err != nil {
		return Stat{}, err
	}
	return Stat{
		Size:  int64(info.FileSizeHigh)<<32 | int64(info.FileSizeLow),
		Dev:   uint64(info.VolumeSerialNumber),
		Ino:   uint64(info.FileIndexHigh)<<32 | uint64(info.FileIndexLow),
		Links: uint64(info.NumberOfLinks),
		UID:   -1, GID: -1,
	}, nil
}

// SyncDir does nothing: Windows flushes no directory handles that were opened
// for reading, and NTFS keeps its names in a journal of its own.
func SyncDir(dir *os.File) error {
	_, err := dir.Stat()
	return err
}
