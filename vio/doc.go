// Package vio is vectored file I/O: one system call writes or reads several
// pieces of memory as if they were one. It works on [os.File], allocates
// nothing per call, and stands on its own.
//
// The use it is made for is a log. A record's header, key, value and checksum
// are four pieces in four places; [Appendv] puts them at the end of an
// [os.O_APPEND] file together, and other processes may append to the same file
// at the same time.
//
//	function    system calls   one piece?        a short transfer returns
//	Appendv     1 write(v)     see below         n, *Error: io.ErrShortWrite
//	ReadvAt     1 preadv       no                n, nil; at the end 0, io.EOF
//	ReadFullAt  1 or more      no                n, *Error: io.ErrUnexpectedEOF;
//	                                             at the end 0, io.EOF
//	Len         0
//
// A system call that a signal interrupted before it moved a byte is repeated
// (EINTR), and so is one on a non-blocking pipe once the pipe is ready (EAGAIN);
// both count as the one call of the table. A vector without any byte makes no
// system call.
//
// # What one call promises
//
// "One piece" means that no other writer's bytes come between the bytes of one
// Appendv. It does not mean that all of them arrive, nor that a reader sees
// either none or all.
//
//	file                            one piece?
//	regular, local file system      yes: the kernel holds the inode's lock
//	  of Linux                      throughout (ext4, XFS, btrfs, f2fs, tmpfs)
//	NFS, SMB, 9P                    no: two hosts overwrite each other
//	O_DIRECT with O_APPEND          no on XFS
//	pipe, FIFO                      up to PIPE_BUF bytes in total (4096 on Linux)
//	other systems than Linux        as their write(2) with O_APPEND; no on Plan 9
//
// A record is incomplete after a SIGKILL, after any other end of the process
// while the call runs (os.Exit and a return from main included), on a full disk
// or quota (ENOSPC, EDQUOT), at the limit of the file's size (EFBIG; at any
// byte), and after a power failure. Other processes go on, and after an error
// the writer itself may, so a fragment can stand in the middle of a file with
// whole records behind it. A log needs a checksum and a length in each record,
// and a way past a bad one. A reader must take a record that ends early for one still being
// written. Do not cut a fragment off with Truncate: another process may have
// appended behind it already. Nothing here is on the disk before
// [os.File.Sync].
//
// On a file opened with O_SYNC or O_DSYNC an error such as EIO may come after
// the bytes are in the file and visible to readers. The outcome is unknown
// then, and a record repeated blindly may be there twice.
//
// After an Appendv the file position is the end of that very record, if the
// open file is not shared with another writer (kernel: do_writev stores the
// position it reached): [os.File.Seek] by 0 from [io.SeekCurrent] tells it.
//
// # Memory
//
// The kernel reads and fills the pieces in place, with two exceptions: Appendv
// copies a vector of more than eight pieces where this is faster (at most 64 KiB
// in pieces of 1 KiB or less on average), and neighbours where it has more than
// [MaxIovs] pieces. A piece that is paged out or mapped from a file is faulted
// in while the inode's lock is held, which stops every other writer of the file
// for so long; a mapped page that does not exist any more (the file was cut)
// ends the transfer early or with EFAULT, or, if the piece is copied, raises
// SIGBUS in this process.
//
// # Systems
//
// Linux and Android use writev(2) and preadv(2). All other systems copy the
// pieces into one buffer and make one plain write, or read into one buffer and
// copy out. The promises stay, the copy costs memory as large as the vector.
// The build tag vio_portable selects this implementation on Linux too.
package vio
