package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A tool is a program that the machine has.
type tool struct{ name, path, version string }

// findPeers looks for the tools that are compared with.
func findPeers(ctx context.Context) []tool {
	var out []tool
	for _, name := range []string{"rg", "grep", "zgrep", "gzip", "zstd"} {
		path, err := exec.LookPath(name)
		if err != nil {
			out = append(out, tool{name: name, version: "not on this machine"})
			continue
		}
		text, _ := exec.CommandContext(ctx, path, "--version").CombinedOutput()
		line, _, _ := bytes.Cut(text, []byte{'\n'})
		out = append(out, tool{name, path, string(line)})
	}
	return out
}

// machine tells what the figures were taken on.
func machine() string {
	model := "unknown processor"
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for sc := bufio.NewScanner(f); sc.Scan(); {
			if _, name, ok := strings.Cut(sc.Text(), "model name\t: "); ok {
				model = name
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d cores, %s/%s, %s", model, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

// prepare generates the logs below base: plain, and the same packed by gzip and by zstd.
func prepare(base string, o options) (*corpus, error) {
	about := filepath.Join(base, "about.json")
	var c corpus
	if b, err := os.ReadFile(about); err == nil && o.keep {
		var s saved
		if err := json.Unmarshal(b, &s); err != nil {
			return nil, fmt.Errorf("%s: %w", about, err)
		}
		c = corpus{filepath.Join(base, "plain"), s.Bytes, s.Requests, s.Failed, s.Lines, s.IDs}
	} else {
		if err := os.RemoveAll(base); err != nil {
			return nil, err
		}
		made, err := generate(filepath.Join(base, "plain"), o.size, o.failing)
		if err != nil {
			return nil, err
		}
		c = *made
		for ext, pack := range packers {
			if err := packAll(c.dir, filepath.Join(base, ext), "."+ext, pack); err != nil {
				return nil, err
			}
		}
		b, err := json.Marshal(saved{c.bytes, c.requests, c.failed, c.lines, c.ids})
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(about, b, 0o644); err != nil {
			return nil, err
		}
	}
	if len(c.ids) == 0 {
		return nil, errors.New("no request of these logs fails: they are too small")
	}
	return &c, nil
}

// saved is a corpus as it is kept beside its files.
type saved struct {
	Bytes    int64
	Requests int
	Failed   int
	Lines    int
	IDs      []string
}

// packers pack as the command-line tools do by default.
var packers = map[string]func(io.Writer) (io.WriteCloser, error){
	"gz": func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, 6) },
	"zst": func(w io.Writer) (io.WriteCloser, error) {
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault))
	},
}

// packAll packs every file of a tree into another tree.
func packAll(from, to, ext string, pack func(io.Writer) (io.WriteCloser, error)) error {
	var files []string
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	errs := make([]error, len(files))
	room := make(chan struct{}, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i, path := range files {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			rel, err := filepath.Rel(from, path)
			if err == nil {
				err = packFile(path, filepath.Join(to, rel)+ext, pack)
			}
			errs[i] = err
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func packFile(from, to string, pack func(io.Writer) (io.WriteCloser, error)) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	w, err := pack(out)
	if err == nil {
		_, err = io.Copy(w, in)
		err = errors.Join(err, w.Close())
	}
	return errors.Join(err, out.Close())
}

// A pair is one job, done by the program and by what it is compared with.
type pair struct {
	name     string
	own      []string
	ownName  string
	peer     []string // nil if the machine has none
	peerName string
	before   []string // a command that is run once before all; nil if there is none
}

// pairsOf lists the comparisons that the machine has the tools for.
func pairsOf(o options, c *corpus, tools []tool) []pair {
	path := map[string]string{}
	for _, t := range tools {
		path[t.name] = t.path
	}
	base := filepath.Dir(c.dir)
	gz, zst := filepath.Join(base, "gz"), filepath.Join(base, "zst")
	id := c.ids[len(c.ids)/2]
	var out []pair
	add := func(name string, own []string, needs, peerName string, peer ...string) {
		p := pair{name: name, own: append([]string{o.program}, own...), ownName: own[0], peerName: peerName}
		if own[0] == "investigate" {
			p.ownName += " ID"
		}
		if path[needs] != "" {
			p.peer = peer
		}
		out = append(out, p)
	}
	add("J1", []string{"investigate", id, c.dir}, "rg", "rg -F", path["rg"], "-F", id, c.dir)
	add("J1", []string{"investigate", id, c.dir}, "grep", "grep -rF", path["grep"], "-rF", id, c.dir)
	add("J1 index", []string{"investigate", id, c.dir, "--index", indexOf(c)}, "rg", "rg -F", path["rg"], "-F", id, c.dir)
	out[len(out)-1].ownName += " --index DIR"
	out[len(out)-1].before = writeIndex(o, c)
	add("index", []string{"index"}, "rg", "rg -F", path["rg"], "-F", id, c.dir)
	out[len(out)-1].own = writeIndex(o, c)
	add("J1 gz", []string{"investigate", id, gz}, "rg", "rg -zF", path["rg"], "-z", "-F", id, gz)
	add("J1 gz", []string{"investigate", id, gz}, "zgrep", "zgrep -F", "sh", "-c", `zgrep -F "$0" "$1"/*/*`, id, gz)
	add("J1 zst", []string{"investigate", id, zst}, "rg", "rg -zF", path["rg"], "-z", "-F", id, zst)
	add("J2", []string{"batch", c.dir}, "rg", "two passes of rg", "sh", "-c", twoPasses, path["rg"], c.dir)
	add("J2 collection", []string{"clocks", c.dir}, "rg", "two passes of rg", "sh", "-c", twoPasses, path["rg"], c.dir)
	add("J2", []string{"batch", c.dir}, "rg", "rg -F -f IDS", "sh", "-c", fixedStrings, path["rg"], c.dir)
	return out
}

// indexOf is where the index of the plain logs is written: apart, so that only those find it who are told.
func indexOf(c *corpus) string { return filepath.Join(filepath.Dir(c.dir), "index") }

// writeIndex is the command that writes it anew.
func writeIndex(o options, c *corpus) []string {
	return []string{"sh", "-c", `rm -rf "$1" && mkdir "$1" && "$0" index --into "$1" "$2"`, o.program, indexOf(c), c.dir}
}

// What who knows the logs does by hand: the IDs of the failed requests by the lines of the
// outermost hop, then all lines with one of these, by an alternation behind what stands
// before the ID in these logs. It finds the lines that carry the request ID, not those
// that carry the trace alone, and judges nothing.
const twoPasses = `
"$0" --no-filename -N -o '" 5[0-9][0-9] .* rid=([0-9a-f]{32})' -r '$1' -g 'access.log*' "$1" | sort -u | paste -sd '|' - | sed 's/.*/(?:rid=|request_id":"|request-id":"|req=|request |=.|\\{)(?:&)/' >"$1.ids"
"$0" --no-filename -N --dfa-size-limit 1G --regex-size-limit 1G -f "$1.ids" "$1" >"$1.lines"
`

// The same with the IDs as fixed strings.
const fixedStrings = `
"$0" --no-filename -N -o '" 5[0-9][0-9] .* rid=([0-9a-f]{32})' -r '$1' -g 'access.log*' "$1" | sort -u >"$1.ids"
"$0" --no-filename -N -F -f "$1.ids" "$1" >"$1.lines"
`

// A spent is what one process took.
type spent struct {
	wall, cpu time.Duration
	peak      int64 // bytes
}

// A result is the medians of a pair.
type result struct {
	pair
	own, peer spent
	ratio     float64 // of the seconds
	ratioCPU  float64 // of the CPU seconds, which what else the machine does changes less
}

func (r result) String() string {
	s := fmt.Sprintf("| %s | %s | %.3f | %.3f | %.0f |", r.name, r.ownName, r.own.wall.Seconds(), r.own.cpu.Seconds(), float64(r.own.peak)/1e6)
	if r.pair.peer == nil {
		return s + " not on this machine | - | - | - | - |"
	}
	return s + fmt.Sprintf(" %s | %.3f | %.3f | %.2f | %.2f |", r.peerName, r.peer.wall.Seconds(), r.peer.cpu.Seconds(), r.ratio, r.ratioCPU)
}

// measure runs the two commands in turn, so that what the machine does besides meets both.
// The ratio is the median of those of the pairs of runs.
func (p pair) measure(ctx context.Context, runs int) (result, error) {
	var own, peer []spent
	var ratios, ratiosCPU []float64
	if p.before != nil {
		if _, err := timed(ctx, p.before); err != nil {
			return result{}, err
		}
	}
	for i := range runs + 1 {
		a, err := timed(ctx, p.own)
		if err != nil {
			return result{}, err
		}
		if i > 0 {
			own = append(own, a)
		}
		if p.peer == nil {
			continue
		}
		b, err := timed(ctx, p.peer)
		if err != nil {
			return result{}, err
		}
		if i > 0 {
			peer = append(peer, b)
			ratios = append(ratios, a.wall.Seconds()/b.wall.Seconds())
			ratiosCPU = append(ratiosCPU, a.cpu.Seconds()/b.cpu.Seconds())
		}
	}
	r := result{pair: p, own: medians(own)}
	if p.peer != nil {
		r.peer = medians(peer)
		slices.Sort(ratios)
		slices.Sort(ratiosCPU)
		r.ratio, r.ratioCPU = ratios[len(ratios)/2], ratiosCPU[len(ratiosCPU)/2]
	}
	return r, nil
}

func medians(all []spent) spent {
	var walls, cpus []time.Duration
	var peaks []int64
	for _, s := range all {
		walls, cpus, peaks = append(walls, s.wall), append(cpus, s.cpu), append(peaks, s.peak)
	}
	slices.Sort(walls)
	slices.Sort(cpus)
	slices.Sort(peaks)
	n := len(all) / 2
	return spent{walls[n], cpus[n], peaks[n]}
}

// timed runs a command to its end and throws its output away. Tools end with 1 where they
// find nothing.
func timed(ctx context.Context, command []string) (spent, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Discard, &complaint
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() > 1 || cmd.ProcessState.ExitCode() < 0 {
		return spent{}, fmt.Errorf("%s: %w: %s", strings.Join(command[:2], " "), err, bytes.TrimSpace(complaint.Bytes()))
	}
	return spent{wall, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), peakOf(cmd.ProcessState)}, nil
}
