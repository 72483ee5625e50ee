package host

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// FileSystemOf says on which file system f lies.
func FileSystemOf(f *os.File) (FileSystem, error) {
	var st unix.Statfs_t
	if err := control("fstatfs", f, func(fd int) error { return unix.Fstatfs(fd, &st) }); err != nil {
		return FileSystem{}, err
	}
	magic := uint32(st.Type) // a signed word of 32 or 64 bits elsewhere
	if known, ok := fileSystems[magic]; ok {
		return known, nil
	}
	return FileSystem{Name: fmt.Sprintf("%#x", magic)}, nil
}

// fileSystems knows the kinds on which people keep files. Atomic needs a
// measurement or the kernel's source; that a kind usually behaves is not enough.
var fileSystems = map[uint32]FileSystem{
	unix.EXT4_SUPER_MAGIC:      {"ext4", true}, // ext2 and ext3 have the same number
	unix.XFS_SUPER_MAGIC:       {"xfs", true},
	unix.BTRFS_SUPER_MAGIC:     {"btrfs", true},
	unix.TMPFS_MAGIC:           {"tmpfs", true},
	unix.RAMFS_MAGIC:           {"ramfs", true},
	unix.F2FS_SUPER_MAGIC:      {"f2fs", true},
	unix.OVERLAYFS_SUPER_MAGIC: {"overlayfs", true}, // a lock of its own around the upper file's

	// Appends of two hosts overwrite each other, or the lock is not exclusive.
	unix.NFS_SUPER_MAGIC:    {"nfs", false},
	unix.SMB_SUPER_MAGIC:    {"smb", false},
	unix.CIFS_SUPER_MAGIC:   {"cifs", false},
	unix.SMB2_SUPER_MAGIC:   {"smb2", false},
	unix.V9FS_MAGIC:         {"9p", false},
	unix.FUSE_SUPER_MAGIC:   {"fuse", false}, // virtiofs too
	unix.CEPH_SUPER_MAGIC:   {"ceph", false},
	unix.AFS_SUPER_MAGIC:    {"afs", false},
	unix.AFS_FS_MAGIC:       {"afs", false},
	unix.CODA_SUPER_MAGIC:   {"coda", false},
	unix.NCP_SUPER_MAGIC:    {"ncp", false},
	unix.OCFS2_SUPER_MAGIC:  {"ocfs2", false},
	0x01161970:              {"gfs2", false},
	0x0bd00bd0:              {"lustre", false},
	0x47504653:              {"gpfs", false},
	0x20030528:              {"orangefs", false},
	0x19830326:              {"beegfs", false},
	0x786f4256:              {"vboxsf", false},
	0xbacbacbc:              {"vmhgfs", false},
	unix.HOSTFS_SUPER_MAGIC: {"hostfs", false},

	// Local, but nobody has measured them.
	0x2fc12fc1:                {"zfs", false},
	unix.BCACHEFS_SUPER_MAGIC: {"bcachefs", false},
	unix.MSDOS_SUPER_MAGIC:    {"vfat", false},
	unix.EXFAT_SUPER_MAGIC:    {"exfat", false},
	0x7366746e:                {"ntfs3", false},
	0x3153464a:                {"jfs", false},
	unix.NILFS_SUPER_MAGIC:    {"nilfs2", false},
	unix.REISERFS_SUPER_MAGIC: {"reiserfs", false},
	unix.ECRYPTFS_SUPER_MAGIC: {"ecryptfs", false},
	unix.UDF_SUPER_MAGIC:      {"udf", false},
	unix.ISOFS_SUPER_MAGIC:    {"iso9660", false},
	unix.SQUASHFS_MAGIC:       {"squashfs", false},
	unix.HUGETLBFS_MAGIC:      {"hugetlbfs", false},
	unix.PROC_SUPER_MAGIC:     {"proc", false},
	unix.SYSFS_MAGIC:          {"sysfs", false},
}

// NoCopyOnWrite asks btrfs to write the still empty file f in place. Elsewhere,
// and where it fails, it does nothing. A store to a shared mapping of a file
// that is copied on write needs a free block each time, and on a full disk the
// kernel has no other way to refuse it than SIGBUS, which ends the program.
// Blocks written once and never moved do not have that end.
func NoCopyOnWrite(f *os.File) {
	if kind, err := FileSystemOf(f); err != nil || kind.Name != "btrfs" {
		return
	}
	_ = control("ioctl", f, func(fd int) error {
		flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
		if err != nil {
			return err
		}
		return unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(flags|noCOW))
	})
}

// noCOW is FS_NOCOW_FL of linux/fs.h.
const noCOW = 0x0080_0000
