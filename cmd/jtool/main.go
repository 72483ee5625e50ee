// jtool reads and writes journals beside any number of live writers.
//
// Run jtool --help for its commands and exit codes.
package main

import (
	"os"

	"github.com/manypen/manypen/cmd/jtool/jtoolcmd"
)

func main() { os.Exit(jtoolcmd.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
