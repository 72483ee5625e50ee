package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// listFiles returns the slash-separated paths of all regular files under src.
func listFiles(src string) ([]string, error) {
	var files []string
	err := fs.WalkDir(os.DirFS(src), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("there are no files under %s", src)
	}
	return files, err
}

// readFile returns the content of one of them.
func readFile(src, key string) ([]byte, error) {
	return os.ReadFile(filepath.Join(src, filepath.FromSlash(key)))
}
