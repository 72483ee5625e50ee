package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/manypen/manypen/journal"
)

// snapshot is a state and where to go on.
type snapshot struct {
	Journal string           `json:"journal"` // its UUID: a position means nothing in another one
	Next    journal.Position `json:"next"`
	State   *state           `json:"state"`
}

// loadSnapshot returns the snapshot at path, or that of the beginning if there is
// none.
func loadSnapshot(path string, j *journal.Journal) (snapshot, error) {
	s := snapshot{Journal: uuid(j), State: newState()}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("snapshot %s: %w", path, err)
	}
	if s.Journal != uuid(j) {
		return s, fmt.Errorf("snapshot %s is of journal %s; this one is %s", path, s.Journal, uuid(j))
	}
	return s, nil
}

// saveSnapshot replaces the snapshot at path. Processes may do that at the same
// time: the name always stands for a whole one, and if that is the older of two a
// replay takes a little longer.
func saveSnapshot(path string, j *journal.Journal, s snapshot) (err error) {
	// A follower is given records that are not on disk yet. A snapshot that knew
	// commands which a loss of power has taken would tell of another history.
	if err := j.Sync(); err != nil {
		return err
	}
	s.Journal = uuid(j)
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".snapshot-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync() // before the rename, or the name may come to stand for nothing
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	// The directory needs no sync: after a loss of power the old snapshot is as
	// good, if somewhat older.
	return os.Rename(f.Name(), path)
}

func uuid(j *journal.Journal) string {
	id := j.UUID()
	return hex.EncodeToString(id[:])
}
