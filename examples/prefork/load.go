package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/manypen/manypen/journal"
)

// perConnection is how many requests a client sends on one connection. A new
// connection may go to another worker.
const perConnection = 10

// answer is what has become of one request, as its client sees it.
type answer struct {
	id     int
	worker int
	at     journal.Position // of its record
	err    error            // there was no answer
	wrong  error            // the answer is not the right one
}

// load sends requests with the numbers 0 to n-1 to addr and what becomes of them
// to answers, which it closes. When ctx is done it sends no more.
func load(ctx context.Context, addr string, clients, n int, answers chan<- answer) {
	ids := make(chan int)
	var all sync.WaitGroup
	for range clients {
		// A transport for each client, so that it has one connection: a worker that
		// is killed takes one request of it at most.
		transport := &http.Transport{MaxConnsPerHost: 1}
		client := &http.Client{Transport: transport, Timeout: time.Minute}
		all.Go(func() {
			defer transport.CloseIdleConnections()
			sent := 0
			for id := range ids {
				sent++
				answers <- ask(ctx, client, addr, id, sent%perConnection == 0)
			}
		})
	}
	for id := range n {
		if ctx.Err() != nil {
			break
		}
		ids <- id
	}
	close(ids)
	all.Wait()
	close(answers)
}

// ask sends one request. It is a POST, which net/http never sends a second time
// of its own accord once the first byte is out: a request is one attempt.
func ask(ctx context.Context, client *http.Client, addr string, id int, last bool) answer {
	a := answer{id: id}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://%s/%d", addr, id), http.NoBody)
	if err != nil {
		a.wrong = err
		return a
	}
	req.Close = last
	resp, err := client.Do(req)
	if err != nil {
		a.err = err
		return a
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close() // all of it has been read, or an error says why not
	if err != nil {
		a.err = err
		return a
	}
	if resp.StatusCode != http.StatusOK || string(body) != fmt.Sprintf("%d squared is %d\n", id, id*id) {
		a.wrong = fmt.Errorf("request %d: %s: %q", id, resp.Status, body)
		return a
	}
	if a.worker, a.wrong = strconv.Atoi(resp.Header.Get(workerHeader)); a.wrong == nil {
		a.at, a.wrong = journal.ParsePosition(resp.Header.Get(positionHeader))
	}
	return a
}
