package journal

import (
	"errors"
	"sync"

	"github.com/manypen/manypen/internal/segment"
)

// maxOpenFiles bounds the segments that random reads keep open.
const maxOpenFiles = 64

// filePool keeps the segments open that were read last. A file that is in use
// while it is closed stays open until that use has ended (os.File).
type filePool struct {
	open func(n uint64) (*segment.File, error)

	mu     sync.Mutex
	files  map[uint64]*segment.File
	recent []uint64 // least recently opened first
	shut   bool
}

func (p *filePool) get(n uint64) (*segment.File, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.files[n]; f != nil {
		return f, nil
	}
	if p.shut {
		return nil, ErrClosed
	}
	f, err := p.open(n)
	if err != nil {
		return nil, err
	}
	if p.files == nil {
		p.files = make(map[uint64]*segment.File)
	}
	if len(p.recent) == maxOpenFiles {
		p.dropLocked(p.recent[0])
	}
	p.files[n] = f
	p.recent = append(p.recent, n)
	return f, nil
}

// drop closes segment n, so that the next get opens it by its name again.
func (p *filePool) drop(n uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropLocked(n)
}

// dropBelow is drop for all segments below n.
func (p *filePool) dropBelow(n uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for k := range p.files {
		if k < n {
			p.dropLocked(k)
		}
	}
}

func (p *filePool) dropLocked(n uint64) {
	if f := p.files[n]; f != nil {
		_ = f.Close() // only read from: there is no error that matters
		delete(p.files, n)
	}
	for i, k := range p.recent {
		if k == n {
			p.recent = append(p.recent[:i], p.recent[i+1:]...)
			return
		}
	}
}

func (p *filePool) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = true
	var err error
	for _, f := range p.files {
		err = errors.Join(err, f.Close())
	}
	p.files, p.recent = nil, nil
	return err
}
