// Peer is built for each machine and run there, or by an emulator of it: it writes a
// journal, reads one, or appends to one. What it does is in package portable.
package main

import (
	"os"

	"github.com/manypen/manypen/internal/torture/portable"
)

func main() { os.Exit(portable.Peer(os.Args[1:], os.Stdout, os.Stderr)) }
