package control

import "github.com/manypen/manypen/internal/host"

// TryLock takes the sync lock if nobody has it (S2). It excludes other handles
// and other processes, not other goroutines of this handle, which take turns by
// a mutex: the lock belongs to the open file. The kernel lets it go when its
// holder dies, but only after the holder's system call has ended.
func (p *Page) TryLock() (bool, error) {
	if p.Private() {
		return true, nil
	}
	return host.TryLockByte(p.file, lockByte, true)
}

// Unlock lets the sync lock go (S6).
func (p *Page) Unlock() error {
	if p.Private() {
		return nil
	}
	return host.UnlockByte(p.file, lockByte)
}
