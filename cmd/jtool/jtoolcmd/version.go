package jtoolcmd

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/journal"
)

func (t *tool) versionCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of the tool and of the format",
		Args:  exactArgs(0),
		RunE: func(*cobra.Command, []string) error {
			o := struct {
				V        int    `json:"v"`
				Type     string `json:"type"`
				What     string `json:"what"`
				Version  string `json:"version"`
				Revision string `json:"revision,omitempty"`
				Format   int    `json:"format"`
				Go       string `json:"go"`
			}{V: 1, Type: "status", What: "version", Version: "unknown", Format: journal.FormatVersion, Go: runtime.Version()}
			if info, ok := debug.ReadBuildInfo(); ok {
				if info.Main.Version != "" {
					o.Version = info.Main.Version
				}
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						o.Revision = s.Value
					}
				}
			}
			out := fmt.Appendf(nil, "jtool %s, format %d, %s\n", o.Version, o.Format, o.Go)
			if t.json {
				out = appendLine(nil, o)
			}
			_, err := t.out.Write(out)
			return err
		},
	}
}
