//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package host

import (
	"fmt"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Mapping is the beginning of a file as memory that all its mappers share.
type Mapping struct {
	path string

	mu   sync.Mutex
	data []byte // nil once closed
}

// MapShared maps the first size bytes of f for reading and writing; f may be
// closed afterwards. Stores are seen at once by all other mappings on this
// machine; that read and write see them too is not so on every system (OpenBSD).
//
// The file must be that long: touching a page behind its end is SIGBUS, so a
// file that somebody cut short must not get this far. The same signal comes if
// it is cut later, or if a store needs a disk block and there is none; so its
// blocks are to be written before anybody maps it (see [NoCopyOnWrite]).
func MapShared(f *os.File, size int) (*Mapping, error) {
	const op = "mmap"
	if size <= 0 {
		return nil, pathError(op, nameOf(f), fmt.Errorf("size %d: %w", size, fs.ErrInvalid))
	}
	st, err := StatFile(f)
	if err != nil {
		return nil, err
	}
	if st.Size < int64(size) {
		return nil, pathError(op, nameOf(f), fmt.Errorf("%d bytes of a file of %d: %w", size, st.Size, fs.ErrInvalid))
	}
	m := &Mapping{path: nameOf(f)}
	err = control(op, f, func(fd int) (err error) {
		m.data, err = unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		return err
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Bytes is the memory, on a page boundary, nil after [Mapping.Close]. Nothing
// of it may be touched from then on: the addresses are gone, and may belong to
// something else.
func (m *Mapping) Bytes() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.data
}

// Close ends the mapping; the second time it reports [os.ErrClosed].
func (m *Mapping) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.data == nil {
		return pathError("munmap", m.path, os.ErrClosed)
	}
	if err := unix.Munmap(m.data); err != nil {
		return pathError("munmap", m.path, err)
	}
	m.data = nil
	return nil
}
