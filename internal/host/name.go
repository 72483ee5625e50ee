package host

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// TempPrefix begins the names of files that are being written by [Publish] and
// [Replace]. A name that stays behind was left by a process that died. Whether
// its maker lives cannot be seen from outside, so only somebody who excludes
// all makers may remove it.
const TempPrefix = "tmp."

var (
	errName       = fmt.Errorf("not the name of a file inside a directory: %w", fs.ErrInvalid)
	errFlag       = fmt.Errorf("flag creates or truncates: %w", fs.ErrInvalid)
	errNotRegular = errors.New("not a regular file")
)

// checkName lets pass what names an entry of dir and nothing outside it.
func checkName(op, name string) error {
	bad := name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") ||
		// The separator of Windows, its drives and streams (a:b), its devices (NUL).
		runtime.GOOS == "windows" && (strings.ContainsAny(name, `\:`) || !filepath.IsLocal(name))
	if bad {
		return pathError(op, name, errName)
	}
	return nil
}

// checkFlag refuses what would make or destroy bytes that no rule speaks of.
func checkFlag(op, path string, flag int) error {
	if flag&(os.O_CREATE|os.O_EXCL|os.O_TRUNC) != 0 {
		return pathError(op, path, errFlag)
	}
	return nil
}

// join is the path that errors name, and that systems without openat use.
func join(dir *os.File, name string) string {
	return filepath.Join(nameOf(dir), name)
}

// tempName makes a name that no other maker has. A process id would not do:
// two pid namespaces have the same ones, and they are reused after a death.
func tempName() string {
	var random [8]byte
	// crypto/rand.Read never fails: it ends the program instead.
	_, _ = rand.Read(random[:])
	return TempPrefix + hex.EncodeToString(random[:])
}
