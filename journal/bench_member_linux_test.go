package journal_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manypen/manypen/journal"
)

// All crews append records of these bytes. Raw ones write what a record of
// the journal takes up, and leave out all that it costs besides: its checksum
// and the question where it went.
var (
	groupKey   = make([]byte, 16)
	groupValue = make([]byte, 100)
	groupVec   = [][]byte{make([]byte, 44), groupKey, groupValue, make([]byte, 8)}
)

const groupRecord = 44 + 16 + 100 + 8

// worker is what a member makes durable records with, from many goroutines at
// a time.
type worker interface {
	append() error
	syncs() uint64 // made so far, by this process
	io.Closer
}

// workers are the ways to make a worker for a path, by name.
var workers = map[string]func(path string) (worker, error){
	"journal": func(path string) (worker, error) {
		j, err := journal.Open(path, journal.Options{Sync: journal.SyncAlways})
		return journalWorker{j}, err
	},
	"each": func(path string) (worker, error) {
		f, err := openRaw(path)
		return &eachWorker{f: f}, err
	},
	"group": func(path string) (worker, error) {
		f, err := openRaw(path)
		w := &groupWorker{f: f, next: newTrain(), turn: make(chan struct{}, 1)}
		w.turn <- struct{}{}
		return w, err
	},
}

func openRaw(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
}

// writeRaw appends one record as the journal does, by one writev.
func writeRaw(f *os.File) error {
	n, err := unix.Writev(int(f.Fd()), groupVec)
	if err == nil && n != groupRecord {
		err = io.ErrShortWrite
	}
	return err
}

type journalWorker struct{ *journal.Journal }

func (w journalWorker) append() error {
	_, err := w.Append(groupKey, groupValue)
	return err
}

func (w journalWorker) syncs() uint64 { return w.Stats().Syncs }

// eachWorker has every record synced by whoever appended it: what programs do
// that share a log file and no more.
type eachWorker struct {
	f *os.File
	n atomic.Uint64
}

func (w *eachWorker) append() error {
	if err := writeRaw(w.f); err != nil {
		return err
	}
	w.n.Add(1)
	return unix.Fdatasync(int(w.f.Fd()))
}

func (w *eachWorker) syncs() uint64 { return w.n.Load() }
func (w *eachWorker) Close() error  { return w.f.Close() }

// groupWorker is the plainest group commit of one process that loses nothing.
// The first record after the last sync has begun makes its goroutine the
// leader of a train. It waits for its turn, closes the doors, syncs, and lets
// the leader of the next train begin before it wakes its own passengers, by
// one close of a channel and with no lock that they would have to queue for.
type groupWorker struct {
	f    *os.File
	mu   sync.Mutex
	next *train
	turn chan struct{} // holds one token
	n    atomic.Uint64
}

type train struct {
	led  bool
	done chan struct{}
	err  error // before done is closed
}

func newTrain() *train { return &train{done: make(chan struct{})} }

func (w *groupWorker) append() error {
	if err := writeRaw(w.f); err != nil {
		return err
	}
	w.mu.Lock()
	t := w.next
	leads := !t.led
	t.led = true
	w.mu.Unlock()
	if !leads {
		<-t.done
		return t.err
	}
	<-w.turn
	w.mu.Lock()
	w.next = newTrain() // who comes from here on may have written too late
	w.mu.Unlock()
	w.n.Add(1)
	t.err = unix.Fdatasync(int(w.f.Fd()))
	w.turn <- struct{}{}
	close(t.done)
	return t.err
}

func (w *groupWorker) syncs() uint64 { return w.n.Load() }
func (w *groupWorker) Close() error  { return w.f.Close() }

func init() { roles["member"] = roleMember }

// roleMember is one process of a crew: WAY PATH GOROUTINES. It says that it is
// ready, plays one round for each line of its standard input, "BEGIN LENGTH" in
// nanoseconds, and answers with the records acknowledged within the round, all
// it has appended, and the syncs it has made for them.
func roleMember(args []string) error {
	goroutines, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	w, err := workers[args[0]](args[1])
	if err != nil {
		return err
	}
	fmt.Println("ready")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var begin, length int64
		if _, err := fmt.Sscan(in.Text(), &begin, &length); err != nil {
			return err
		}
		if args[0] != "journal" { // the parent may have put a new file in its place
			if err := w.Close(); err != nil {
				return err
			}
			if w, err = workers[args[0]](args[1]); err != nil {
				return err
			}
		}
		before := w.syncs()
		inside, appended, err := playRound(w, goroutines, time.Unix(0, begin), time.Duration(length))
		if err != nil {
			return err
		}
		fmt.Println(inside, appended, w.syncs()-before)
	}
	return errors.Join(in.Err(), w.Close())
}

// playRound appends with so many goroutines from begin on, and until each has
// got an acknowledgement that came after the end of the round; these records do
// not count as inside.
func playRound(w worker, goroutines int, begin time.Time, length time.Duration) (inside, appended int64, err error) {
	wait := time.Until(begin)
	end := time.Now().Add(wait + length) // from here on by the monotonic clock
	start := make(chan struct{})
	var mu sync.Mutex
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			<-start
			n := int64(0)
			var failed error
			for {
				if failed = w.append(); failed != nil || time.Now().After(end) {
					break
				}
				n++
			}
			mu.Lock()
			defer mu.Unlock()
			inside += n
			appended += n + 1
			err = errors.Join(err, failed)
		})
	}
	<-time.After(wait)
	close(start)
	all.Wait()
	return inside, appended, err
}
