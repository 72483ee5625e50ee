package control

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync/atomic"
	"unsafe"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/internal/host"
)

// The file is one page:
//
//	 0       8         12     16     32      48    56    64    72
//	+-------+---------+------+------+-------+-----+-----+-----+----
//	| magic | version | size | uuid | boot  | dev | ino | sum | zeros
//	+-------+---------+------+------+-------+-----+-----+-----+----
//	128 active   192 syn   256 att   264 ok   272 bad
//	320 turn   384 came   388 expected   448 armed   452 news (32 bits each)
//
// The header is little-endian and never changes; its own device and inode
// numbers in it tell a copy from the original. The words are in the machine's
// byte order: no other machine ever maps them.
const (
	pageSize   = 4096
	headerSize = 72

	offVersion = 8
	offSize    = 12
	offUUID    = 16
	offBoot    = 32
	offDev     = 48
	offIno     = 56
	offSum     = 64

	// Words that are written at different times by different processes stand
	// in cache lines of their own.
	offActive = 128
	offSyn    = 192
	offAtt    = 256
	offOK     = 264
	offBad    = 272
	offTurn   = 320

	// Hints of group commit, see gather.go.
	offCame     = 384
	offExpected = 388

	// Hints for followers, see news.go.
	offArmed = 448
	offNews  = 452
)

const (
	magic   = "\x89MNYCTL\n"
	version = 1
)

// lockByte is the byte of the file whose lock is the sync lock.
const lockByte = 0

// ErrUnusable says that a control file must not be used: damaged, of another
// boot, journal or version, a copy, or marked bad. Make a new one.
var ErrUnusable = errors.New("control file is not usable")

// ErrFailed is the ErrUnusable of a page that records a failed sync.
var ErrFailed = fmt.Errorf("%w: it records a failed sync", ErrUnusable)

// Identity is what a control file must be made for.
type Identity struct {
	UUID [16]byte // of the journal
	Boot [16]byte // of the machine's current boot
}

// Name is the file name of the control file of a boot.
func Name(boot [16]byte) string {
	return fmt.Sprintf("ctl.%x-%x-%x-%x-%x", boot[:4], boot[4:6], boot[6:8], boot[8:10], boot[10:])
}

// Page is an open control file, or a private substitute. Its methods may be
// called concurrently.
type Page struct {
	dir  *os.File
	name string

	file    *os.File // nil: private
	mapping *host.Mapping
	inode   host.Stat
	header  [headerSize]byte
	words   []byte // the whole page

	// lost is set by the first access that faulted: the file was cut off.
	lost atomic.Bool
}

// NewPrivate returns a page that no other handle sees, for a journal that has
// only one writer at a time.
func NewPrivate(active uint64, syn Pos) *Page {
	// Allocated as words, so that they are aligned for atomic access.
	words := make([]uint64, pageSize/8)
	p := &Page{words: unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), pageSize)}
	p.word(offActive).Store(active)
	p.word(offSyn).Store(uint64(syn))
	return p
}

// Create makes the control file of id appear in dir, complete (V7). It must
// not exist.
func Create(dir *os.File, id Identity, active uint64, syn Pos, perm os.FileMode, exact bool) error {
	return host.Publish(dir, Name(id.Boot), perm, exact, func(f *os.File) error {
		host.NoCopyOnWrite(f)
		st, err := host.StatFile(f)
		if err != nil {
			return err
		}
		b := make([]byte, pageSize)
		copy(b, encodeHeader(id, st))
		binary.NativeEndian.PutUint64(b[offActive:], active)
		binary.NativeEndian.PutUint64(b[offSyn:], uint64(syn))
		// All of the page is written: a store to a hole of a mapped file needs
		// a block, and on a full disk there is SIGBUS instead of an error.
		_, err = f.Write(b)
		return err
	})
}

func encodeHeader(id Identity, st host.Stat) []byte {
	b := make([]byte, headerSize)
	le := binary.LittleEndian
	copy(b, magic)
	le.PutUint32(b[offVersion:], version)
	le.PutUint32(b[offSize:], pageSize)
	copy(b[offUUID:], id.UUID[:])
	copy(b[offBoot:], id.Boot[:])
	le.PutUint64(b[offDev:], st.Dev)
	le.PutUint64(b[offIno:], st.Ino)
	le.PutUint64(b[offSum:], xxhash.Sum64(b[:offSum]))
	return b
}

// Open maps the control file of id (O1). Errors are ErrUnusable, fs.ErrNotExist
// or those of the system.
func Open(dir *os.File, id Identity) (*Page, error) {
	f, err := host.OpenIn(dir, Name(id.Boot), os.O_RDWR)
	if err != nil {
		return nil, err
	}
	p := &Page{dir: dir, name: Name(id.Boot), file: f}
	if err := p.load(id); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if p.Bad() {
		return nil, errors.Join(ErrFailed, p.Close())
	}
	return p, nil
}

func (p *Page) load(id Identity) (err error) {
	if p.inode, err = host.StatFile(p.file); err != nil {
		return err
	}
	if p.inode.Size != pageSize {
		return fmt.Errorf("%w: it has %d bytes instead of %d", ErrUnusable, p.inode.Size, pageSize)
	}
	// Read before it is mapped: a file that shrinks in between is an error here.
	if _, err := p.file.ReadAt(p.header[:], 0); err != nil {
		if err == io.EOF {
			err = ErrUnusable
		}
		return err
	}
	if !bytes.Equal(p.header[:], encodeHeader(id, p.inode)) {
		return fmt.Errorf("%w: its header is damaged, or it was made for another journal, boot, version or file", ErrUnusable)
	}
	if p.mapping, err = host.MapShared(p.file, pageSize); err != nil {
		return err
	}
	p.words = p.mapping.Bytes()
	return nil
}

// Close unmaps the page; no method may be called afterwards.
func (p *Page) Close() error {
	if p.file == nil {
		return nil
	}
	return errors.Join(p.mapping.Close(), p.file.Close())
}

// SameFile reports whether both pages are in one file.
func (p *Page) SameFile(q *Page) bool {
	return p == q || !p.Private() && !q.Private() && p.inode.SameFile(q.inode)
}

// Private reports whether the page is shared with nobody.
func (p *Page) Private() bool { return p.file == nil }

// Believable reports whether the page is still what it was when it was opened
// and its words are possible. Somebody may have overwritten it with anything,
// zeros most likely.
func (p *Page) Believable() bool {
	if p.Private() {
		return true
	}
	same := false
	p.guard(func() { same = bytes.Equal(p.words[:headerSize], p.header[:]) })
	return same && !p.lost.Load() && p.Syn().Segment() <= p.Active() && p.OK() <= p.attempts()
}

// Linked reports whether the page is believable and its file is the one at
// the path: whoever finds it gone must attach to the new one, or make it (R7).
func (p *Page) Linked() (bool, error) {
	if p.Private() {
		return true, nil
	}
	if !p.Believable() {
		return false, nil
	}
	st, err := host.StatIn(p.dir, p.name)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil && st.SameFile(p.inode), err
}

// guard runs f, which touches the page. A mapped file that has been cut off
// faults; that must not kill a program whose records are safe, so the page is
// given up instead.
func (p *Page) guard(f func()) {
	if p.lost.Load() {
		return
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if e := recover(); e != nil {
			p.fault(e)
		}
	}()
	f()
}

// fault gives the page up if e, which was recovered, is a fault.
func (p *Page) fault(e any) {
	if _, fault := e.(interface{ Addr() uintptr }); !fault {
		panic(e)
	}
	p.lost.Store(true)
}

func (p *Page) word(off int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&p.words[off]))
}

func (p *Page) load64(off int) (v uint64) {
	p.guard(func() { v = p.word(off).Load() })
	return v
}

// raise sets a word that only grows.
func (p *Page) raise(off int, v uint64) {
	p.guard(func() {
		w := p.word(off)
		for old := w.Load(); old < v && !w.CompareAndSwap(old, v); old = w.Load() {
		}
	})
}
