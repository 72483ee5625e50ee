package segment

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/manypen/manypen/internal/host"
)

// Dir is an open journal directory. Its methods may be called concurrently.
type Dir struct {
	Path string
	// UUID is the identity of the journal.
	UUID [16]byte
	// F is the directory itself: what locks and syncs of it act on.
	F *os.File
	// IDDamaged says that journal.id is missing or unreadable and the UUID was
	// taken from the segments.
	IDDamaged bool
}

// OpenDir opens an existing directory without looking into it.
func OpenDir(path string) (*Dir, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &Error{Op: "open", Path: path, Err: errors.Unwrap(err)}
	}
	st, err := host.StatFile(f)
	if err == nil && !st.Mode.IsDir() {
		err = &Error{Op: "open", Path: path, Err: fmt.Errorf("%w: a journal is a directory, this is not", ErrNotJournal)}
	}
	if err != nil {
		return nil, Placed("open", path, errors.Join(err, f.Close()))
	}
	return &Dir{Path: path, F: f}, nil
}

// Close closes the directory.
func (d *Dir) Close() error { return d.F.Close() }

// List returns the numbers of all segments, in order: of those that were there when
// it was called, and not removed meanwhile, and of some that were added.
//
// Reading a directory is not atomic. Of two names that are added meanwhile the later
// one may be seen and the earlier one not, and a segment would seem to be missing.
// Segments are added in order and removed oldest first, so a gap tells, and whatever
// is in it is seen by a second look.
func (d *Dir) List() ([]uint64, error) {
	numbers, err := complete(d.list, d.Exists)
	return numbers, Placed("list", d.Path, err)
}

func complete(list func() ([]uint64, error), exists func(n uint64) (bool, error)) ([]uint64, error) {
	numbers, err := list()
	if err != nil || len(numbers) == 0 {
		return nil, err
	}
	first, last := numbers[0], numbers[len(numbers)-1]
	gap := uint64(len(numbers)) != last-first+1
	if !gap && first > 1 {
		if gap, err = exists(first - 1); err != nil {
			return nil, err
		}
	}
	if !gap {
		return numbers, nil
	}
	again, err := list()
	if err != nil {
		return nil, err
	}
	n, _ := slices.BinarySearch(again, last+1)
	if n == 0 {
		return again, nil // all of the first look are gone by now
	}
	return again[:n], nil
}

// list is one look.
func (d *Dir) list() ([]uint64, error) {
	names, err := host.ListIn(d.F)
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, name := range names {
		if n, ok := ParseName(name); ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// Exists reports whether segment n has its name.
func (d *Dir) Exists(n uint64) (bool, error) {
	there, err := host.ExistsIn(d.F, Name(n))
	return there, Placed("stat", d.Path, err)
}

// Identify finds out which journal this is: from journal.id or, where that is
// missing or damaged, from the header of a segment. ErrNotJournal means that
// there is no journal here; fresh then says that none of the names in the
// directory stands in the way of making one.
func (d *Dir) Identify() (fresh bool, err error) {
	uuid, err := d.readID()
	if err == nil {
		d.UUID = uuid
		return false, nil
	}
	if errors.Is(err, ErrVersion) {
		return false, &Error{Op: "open", Path: d.Path, Err: err}
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errBadID) {
		return false, &Error{Op: "open", Path: d.Path, Err: err}
	}
	d.IDDamaged = true
	return d.identifyBySegments()
}

// identifyBySegments takes the UUID that most segments have: one that somebody
// put here by mistake must not rename the journal.
func (d *Dir) identifyBySegments() (fresh bool, err error) {
	numbers, err := d.List()
	if err != nil {
		return false, err
	}
	why := error(nil)
	votes := make(map[[16]byte]int)
	for _, n := range numbers {
		h, err := d.read(n, func(h *Header) bool { return h.Number == n }) // of whatever journal
		switch {
		case errors.Is(err, ErrVersion):
			return false, err
		case err != nil:
			why = err
			continue
		case h.Number != n:
			continue
		}
		if votes[h.UUID]++; votes[h.UUID] > votes[d.UUID] {
			d.UUID = h.UUID
		}
	}
	if len(votes) > 0 {
		return false, nil
	}
	if why != nil && !errors.Is(why, ErrHeaderLost) && !errors.Is(why, fs.ErrNotExist) {
		return false, why // nothing is known of segments that cannot be read
	}
	if why != nil { // there are segments, and none of them says what it is
		return false, &Error{Op: "open", Path: d.Path, Err: fmt.Errorf("%w: %w", ErrNotJournal, why)}
	}
	names, err := host.ListIn(d.F)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		if !ours(name) {
			return false, &Error{Op: "open", Path: d.Path, Err: fmt.Errorf(
				"%w: the directory holds files of another program, such as %s; name an empty or a new directory", ErrNotJournal, name)}
		}
	}
	return true, &Error{Op: "open", Path: d.Path, Err: ErrNotJournal}
}

// peek reads the header of segment n, and prefers a page that is of this journal.
func (d *Dir) peek(n uint64) (Header, error) { return d.read(n, d.own(n)) }

// own returns what a page of segment n has to say to be of this journal.
func (d *Dir) own(n uint64) func(*Header) bool {
	return func(h *Header) bool { return h.UUID == d.UUID && h.Number == n }
}

func (d *Dir) read(n uint64, fits func(*Header) bool) (Header, error) {
	f, err := host.OpenIn(d.F, Name(n), os.O_RDONLY)
	if err != nil {
		return Header{}, d.errorAt("open", n, 0, err)
	}
	defer f.Close() // only read from
	h, _, err := readHeader(f, fits)
	return h, d.errorAt("open", n, 0, err)
}

// readHeader reads the header pages of f, or as much of them as there is.
func readHeader(f *os.File, fits func(*Header) bool) (h Header, damaged [2]bool, err error) {
	b := make([]byte, HeaderSize)
	n, err := f.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return h, damaged, err
	}
	return parseHeader(b[:n], fits)
}

// SizeOf is the size of segment n in bytes, 0 if it has been removed.
func (d *Dir) SizeOf(n uint64) (int64, error) {
	st, err := host.StatIn(d.F, Name(n))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	return st.Size, err
}
