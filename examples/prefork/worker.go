package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/manypen/manypen/journal"
)

// listenerFD is where a worker finds the listener: behind the three standard
// files comes the first of exec.Cmd.ExtraFiles.
const listenerFD = 3

// What a client learns about its request, in the answer's header.
const (
	workerHeader   = "X-Worker"
	positionHeader = "X-Log-Position"
)

// access is a record of the access log.
type access struct {
	ID     int    `json:"id"`
	Method string `json:"method"`
	Path   string `json:"path"`
	Status int    `json:"status"`
	Bytes  int    `json:"bytes"`
	Micros int64  `json:"micros"`
	Remote string `json:"remote"`
	Worker int    `json:"worker"`
	PID    int    `json:"pid"`
}

// serve is a worker. It answers requests until its input ends.
func serve(cfg config, number string, in io.Reader, out io.Writer) (err error) {
	n, err := strconv.Atoi(number)
	if err != nil {
		return fmt.Errorf("%s: %w", workerEnv, err)
	}
	f := os.NewFile(listenerFD, "listener")
	l, err := net.FileListener(f) // a duplicate of f
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("inherited listener: %w", err)
	}
	j, err := journal.Open(cfg.dir, cfg.options())
	if err != nil {
		return errors.Join(err, l.Close())
	}
	// Closed last: a request that is still being answered wants to be logged.
	defer func() { err = errors.Join(err, j.Close()) }()

	server := &http.Server{
		Handler:           &handler{journal: j, worker: n, key: fmt.Appendf(nil, "worker/%d", n)},
		ReadHeaderTimeout: 10 * time.Second,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	if _, err := fmt.Fprintln(out, "ready"); err != nil {
		return errors.Join(err, server.Close())
	}
	_, err = io.Copy(io.Discard, in) // the master closes it, or is gone
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = errors.Join(err, server.Shutdown(ctx))
	if e := <-ended; e != http.ErrServerClosed {
		err = errors.Join(err, e)
	}
	return err
}

// handler answers requests for /ID.
type handler struct {
	journal *journal.Journal
	worker  int
	key     []byte
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	a := access{
		Method: r.Method, Path: r.URL.Path, Remote: r.RemoteAddr,
		Status: http.StatusOK, Worker: h.worker, PID: os.Getpid(),
	}
	body := ""
	if _, err := fmt.Sscanf(r.URL.Path, "/%d", &a.ID); err != nil {
		a.Status, body = http.StatusNotFound, "not found\n"
	} else {
		body = fmt.Sprintf("%d squared is %d\n", a.ID, a.ID*a.ID)
	}
	a.Bytes, a.Micros = len(body), time.Since(start).Microseconds()
	at, err := h.log(a)
	if err != nil {
		// No record, no answer that would look as if there were one.
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set(workerHeader, strconv.Itoa(h.worker))
	w.Header().Set(positionHeader, at.String())
	w.WriteHeader(a.Status)
	// An error means that the client is gone, which is the client's business.
	_, _ = io.WriteString(w, body)
}

// log appends the record of a request. Goroutines of one worker share its handle.
func (h *handler) log(a access) (journal.Position, error) {
	value, err := json.Marshal(a)
	if err != nil {
		return journal.Position{}, err
	}
	return h.journal.Append(h.key, value)
}
