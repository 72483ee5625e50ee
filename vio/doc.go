// Package vio is vectored file I/O: one system call writes or reads several
// pieces of memory as if they were one. It works on [os.File], allocates
// nothing per call, is safe against a Close in another goroutine, and stands on
// its own.
//
// The use it is made for is a log. A record's header, key, value and checksum
// are four pieces in four places; [Appendv] puts them at the end of an
// [os.O_APPEND] file together, and other processes may append to the same file
// at the same time.
//
//	function     system calls   one piece?  more than MaxIovs pieces
//	Appendv      1 write(v)     see below   copied together, still one call
//	Writev       1 write(v)     see below   the first MaxIovs, or more
//	WritevAt     1 pwritev      see below   the first MaxIovs, or more
//	WritevAll    1 or more      no          further calls
//	WritevAllAt  1 or more      no          further calls
//	Readv        1 readv        no          the first MaxIovs, or more
//	ReadvAt      1 preadv       no          the first MaxIovs, or more
//	ReadvFull    1 or more      no          further calls
//	ReadvFullAt  1 or more      no          further calls
//
//	function     a short transfer returns       more than MaxBytes
//	Appendv      n, *Error: io.ErrShortWrite    ErrTooLarge, nothing written
//	Writev…      n, *Error: io.ErrShortWrite    the first MaxBytes
//	WritevAll…   goes on; n and the cause       further calls
//	             if it cannot
//	Readv…       n, nil; at the end 0, io.EOF   the first MaxBytes
//	ReadvFull…   goes on; at the end            further calls
//	             n, *Error: io.ErrUnexpectedEOF;
//	             0, io.EOF if n is 0
//
// [ReadvFlags], [WritevFlags] and [AppendvFlags] take the flags of preadv2(2)
// and pwritev2(2), such as [DSync], and tell what happens where the system
// refuses one. An [Appender] does what Appendv does, and says where its bytes have
// ended, for who appends to one file all the time and has a lock. [Len], [Advance], [Trim], [Split] and [Cursor] are for what is
// left of a vector, [WriteAll] for writers that are no file, [SendFile] for
// sockets and [CopyRange] for copies inside the kernel.
//
// n is what has been moved, with every error. A system call that a signal
// interrupted before it moved a byte is repeated (EINTR), and so is one on a
// non-blocking pipe once the pipe is ready (EAGAIN); both count as the one call
// of the table. A non-blocking descriptor that cannot be waited for returns n
// and EAGAIN. A vector without any byte makes no system call and no error, on
// a full disk and a broken pipe too, but a nil or closed file is an error.
//
// # What one call promises
//
// "One piece" means that no other writer's bytes come between the bytes of one
// call. It does not mean that all of them arrive, nor that a reader sees
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
// The kernel reads and fills the pieces in place, with two exceptions. A vector
// of more than eight pieces is copied where this is faster: up to 256 KiB a
// call, in pieces of 1 KiB or less on average. And Appendv copies neighbours
// where it has more than [MaxIovs] pieces. Pieces that were cut from one block,
// and lie in it one behind the other, share an iovec in vectors of more than
// eight, and in reads.
//
// A piece that is paged out or mapped from a file is faulted in while the
// inode's lock is held, which stops every other writer of the file for so long;
// a mapped page that does not exist any more (the file was cut) ends the
// transfer early or with EFAULT, or, if the piece is copied, raises SIGBUS in
// this process. After a read that ended early the pieces behind its n bytes are
// as they were, on Linux; Windows may have filled the rest of a sector.
//
// # Systems
//
//	Linux, Android               writev(2) and its family, flags
//	macOS, iOS, OpenBSD,         the same without flags, through the C library;
//	  illumos                    more than eight pieces allocate
//	FreeBSD, NetBSD, DragonFly   the same without flags, by number
//	Windows                      WriteFileGather and ReadFileScatter at an offset,
//	                             if file and pieces have the shape they need
//	                             (FILE_FLAG_OVERLAPPED and NO_BUFFERING, aligned
//	                             pages); else as the others
//	others                       copied into one buffer and one plain write, or one
//	                             read into a buffer and copied out
//
// The promises stay where pieces are copied; the copy costs memory as large as
// the vector (the loops and the reads: 1 MiB). The build tag vio_portable
// selects that implementation elsewhere too. On Windows a Close while other
// goroutines use the file can wait for ever in Go 1.26 (os.File's own Read and
// Write have it too): let them end first.
package vio
