//go:build !linux || vio_portable

package vio

import "os"

// sendFile is SendFile with arguments that have been checked. The pieces and
// the file share one buffer, so that small ones do not become small packets.
func sendFile(dst Socket, header [][]byte, f *os.File, off, n int64, trailer [][]byte) (int64, error) {
	w := sendWriter{dst: dst, p: getBuffer(sendChunk)}
	defer func() { putBuffer(w.p) }()
	if err := w.add(header); err != nil {
		return w.sent, err
	}
	if err := w.addFile(f, off, n); err != nil {
		return w.sent, err
	}
	if err := w.add(trailer); err != nil {
		return w.sent, err
	}
	// A message without a byte is written too: it finds out a closed dst.
	if len(w.p.b) == 0 && w.sent > 0 {
		return w.sent, nil
	}
	err := w.flush()
	return w.sent, err
}

// sendWriter collects bytes for dst.
type sendWriter struct {
	dst  Socket
	p    *buffer // what is not written yet
	sent int64
}

func (w *sendWriter) flush() error {
	n, err := w.dst.Write(w.p.b)
	w.sent += int64(n)
	w.p.b = w.p.b[:0]
	return err
}

// room returns free space of the buffer, after a flush if there is none.
func (w *sendWriter) room() ([]byte, error) {
	if len(w.p.b) == cap(w.p.b) {
		if err := w.flush(); err != nil {
			return nil, err
		}
	}
	return w.p.b[len(w.p.b):cap(w.p.b)], nil
}

func (w *sendWriter) add(bufs [][]byte) error {
	for _, b := range bufs {
		for len(b) > 0 {
			room, err := w.room()
			if err != nil {
				return err
			}
			k := copy(room, b)
			w.p.b = w.p.b[:len(w.p.b)+k]
			b = b[k:]
		}
	}
	return nil
}

// addFile adds n bytes of f. Before it reports an error of f it writes what is
// there, so that the peer gets the same bytes on all systems.
func (w *sendWriter) addFile(f *os.File, off, n int64) error {
	for n > 0 {
		room, err := w.room()
		if err != nil {
			return err
		}
		k, err := f.ReadAt(room[:min(int64(len(room)), n)], off)
		w.p.b = w.p.b[:len(w.p.b)+k]
		off += int64(k)
		n -= int64(k)
		if err != nil && n > 0 {
			if werr := w.flush(); werr != nil {
				return werr
			}
			return shortFile(err)
		}
	}
	return nil
}
