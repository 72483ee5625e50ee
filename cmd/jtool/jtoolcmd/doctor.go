package jtoolcmd

import (
	"errors"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/cmd/jtool/internal/doctor"
)

func (t *tool) doctorCmd() *cobra.Command {
	var quick bool
	cmd := &cobra.Command{
		Use:   "doctor DIR",
		Short: "Try out whether the promises hold on the file system of a directory",
		Long: `doctor makes experiments on the file system of DIR: processes append to one file
and to one journal together, some are killed meanwhile, writes are cut, copies are
damaged. It says promise by promise what was seen. It takes some seconds and up to
200 MB of space, in a directory .manypen-doctor-* in DIR, or beside it if there is
no DIR, which is removed again. A journal in DIR is neither read nor changed, and
may be in use.

Exit code 13 says that a promise does not hold, or that a second writer is refused
on this file system. What "not tested" says nobody knows: power was not lost, and no
disk has failed.`,
		Args: exactArgs(1),
	}
	program := t.childCmd(cmd, doctor.Roles)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p, err := program()
		if err != nil {
			return err
		}
		return t.inWorkshop(args[0], "doctor", func(path string) error {
			start := time.Now()
			bar := t.newProgress("experiments", 0, false)
			report, err := doctor.Run(cmd.Context(), path, doctor.Options{Quick: quick, Program: p, OnStep: bar.set})
			bar.finish()
			if cmd.Context().Err() != nil {
				return err
			}
			code := exitOK
			if !report.Sound() {
				code = exitUnsafe
			} else if err != nil {
				code = exitCode(err)
			}
			perr := t.printDoctor(&report, args[0], code, time.Since(start))
			switch {
			case perr != nil && !errors.Is(perr, errPipeClosed):
				return errors.Join(perr, err)
			case code == exitUnsafe && err != nil:
				return &exitError{code, err.Error()}
			case code == exitUnsafe:
				return &exitError{code: code}
			case err != nil:
				return err
			}
			return perr
		})
	}
	cmd.Flags().BoolVar(&quick, "quick", false, "repeat everything less often: a third of the time, and less certain")
	return cmd
}

// diagnosis is what doctor found in a sentence.
func diagnosis(r *doctor.Report, code int) string {
	switch {
	case r.Refused:
		return "a second writer is refused on this file system"
	case !r.Sound():
		return "not all promises hold here"
	case code != exitOK:
		return "not everything could be tried"
	}
	return "every promise that was tested holds"
}

type jsonFinding struct {
	Result   string `json:"result"`
	Evidence string `json:"evidence"`
}

type jsonPromise struct {
	V        int           `json:"v"`
	Type     string        `json:"type"`
	What     string        `json:"what"`
	Promise  string        `json:"promise"`
	Text     string        `json:"text"`
	Result   string        `json:"result"`
	Findings []jsonFinding `json:"findings"`
}

type jsonMeasured struct {
	V     int    `json:"v"`
	Type  string `json:"type"`
	What  string `json:"what"`
	Name  string `json:"name"`
	Value string `json:"value"`
	Unit  string `json:"unit,omitempty"`
}

type jsonDoctor struct {
	V         int     `json:"v"`
	Type      string  `json:"type"`
	What      string  `json:"what"`
	Dir       string  `json:"dir"`
	Result    string  `json:"result"`
	Code      int     `json:"code"`
	Holds     string  `json:"holds"`
	Fails     string  `json:"fails"`
	NotTested string  `json:"not_tested"`
	Seconds   float64 `json:"seconds"`
}

func (t *tool) printDoctor(r *doctor.Report, dir string, code int, took time.Duration) error {
	if t.json {
		_, err := t.out.Write(doctorObjects(r, dir, code, took))
		return err
	}
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	for n, text := range doctor.Promises {
		result, findings := r.Of(n + 1)
		fmt.Fprintf(w, "P%d\t%v\t%s\n", n+1, result, text)
		for _, f := range findings {
			fmt.Fprintf(w, "\t%v\t- %s\n", f.Result, f.Evidence)
		}
	}
	fmt.Fprintln(w)
	for _, f := range r.Figures {
		fmt.Fprintf(w, "%s\t%s\n", f.Name, readable(f.Value, f.Unit))
	}
	fmt.Fprintf(w, "result\t%s\n", diagnosis(r, code))
	return w.Flush()
}

func doctorObjects(r *doctor.Report, dir string, code int, took time.Duration) (out []byte) {
	var counts [3]int
	for n, text := range doctor.Promises {
		result, findings := r.Of(n + 1)
		counts[result]++
		o := jsonPromise{V: 1, Type: "status", What: "promise", Promise: fmt.Sprint("P", n+1), Text: text, Result: result.String()}
		for _, f := range findings {
			o.Findings = append(o.Findings, jsonFinding{f.Result.String(), f.Evidence})
		}
		out = appendLine(out, o)
	}
	for _, f := range r.Figures {
		out = appendLine(out, jsonMeasured{1, "status", "measured", f.Name, f.Value, f.Unit})
	}
	return appendLine(out, jsonDoctor{1, "summary", "doctor", dir, diagnosis(r, code), code,
		strconv.Itoa(counts[doctor.Holds]), strconv.Itoa(counts[doctor.Fails]), strconv.Itoa(counts[doctor.NotTested]), took.Seconds()})
}

// readable is a figure as people read it.
func readable(value, unit string) string {
	if ns, err := strconv.ParseUint(value, 10, 64); err == nil && unit == "ns" {
		return shortDuration(ns)
	}
	return value + unit
}
