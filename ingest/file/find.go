package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/correlatehq/correlate/ingest"
)

// A found is one file that the user named, alone, in a directory or by a glob.
type found struct {
	open string // path by which it is opened
	path string // as positions show it
	real string // open without symbolic links, to know one file under two names
	link bool   // it is a symbolic link
	size int64
	info fs.FileInfo
	err  error // it cannot be read
}

// A finder gathers the files of one source.
type finder struct {
	ctx   context.Context
	stdin io.Reader
	files []found
	base  string   // absolute directory in which everything named lies
	temps []string // files that hold what came through pipes
}

const sourceHint = "a source is a file, a directory, a quoted glob such as 'logs/**/*.log*', - for standard input, or a URL"

// add finds the files of one thing that the user named.
func (f *finder) add(name string) error {
	if name == "-" {
		if f.stdin == nil {
			return ingest.WithHint(errors.New("open -: there is no standard input"), sourceHint)
		}
		return f.spool("stdin", func(w io.Writer) error {
			_, err := io.Copy(w, &cancelReader{f.ctx, f.stdin})
			return err
		})
	}
	fi, err := os.Stat(name)
	switch {
	case err == nil && fi.IsDir():
		return f.addNamed(name, name)
	case err == nil && fi.Mode().IsRegular():
		f.within(filepath.Dir(name))
		f.addFile(name)
		return nil
	case err == nil && fi.Mode()&fs.ModeNamedPipe != 0:
		return f.spool(filepath.Base(name), func(w io.Writer) error {
			p, err := os.Open(name) // waits for somebody to write to it
			if err != nil {
				return err
			}
			defer p.Close()
			_, err = io.Copy(w, &cancelReader{f.ctx, p})
			return err
		})
	case err == nil:
		return ingest.WithHint(fmt.Errorf("open %s: it is a %s, not a file", name, kindOfFile(fi.Mode())), sourceHint)
	case !errors.Is(err, fs.ErrNotExist) || !strings.ContainsAny(name, "*?[{"):
		if _, lerr := os.Lstat(name); lerr == nil && errors.Is(err, fs.ErrNotExist) {
			return ingest.WithHint(fmt.Errorf("open %s: it is a symbolic link to nothing", name), sourceHint)
		}
		return ingest.WithHint(fmt.Errorf("open %s: %w", name, bare(err)), sourceHint)
	}
	return f.addGlob(name)
}

func (f *finder) addGlob(pattern string) error {
	matches, err := doublestar.FilepathGlob(pattern)
	if err != nil {
		return fmt.Errorf("open %s: %w", pattern, err)
	}
	matches = slices.DeleteFunc(matches, hiddenBelow(pattern))
	if len(matches) == 0 {
		return ingest.WithHint(fmt.Errorf("open %s: no file matches", pattern), sourceHint)
	}
	base, _ := doublestar.SplitPattern(filepath.ToSlash(pattern))
	f.within(filepath.FromSlash(base))
	slices.Sort(matches)
	for _, m := range matches {
		fi, err := os.Stat(m)
		if err == nil && fi.IsDir() {
			// A pattern that ends in ** matches both a directory and what is in it;
			// what is found twice is kept once.
			if err := f.walk(m, nil); err != nil {
				return err
			}
			continue
		}
		f.addFile(m)
	}
	if len(f.files) == 0 {
		return ingest.WithHint(fmt.Errorf("open %s: it matches no log files", pattern), sourceHint)
	}
	return nil
}

// hiddenBelow says of a path whether a part of it that the pattern did not spell is
// hidden.
func hiddenBelow(pattern string) func(string) bool {
	base, _ := doublestar.SplitPattern(filepath.ToSlash(pattern))
	return func(m string) bool {
		rest := strings.TrimPrefix(filepath.ToSlash(m), base)
		for p := range strings.SplitSeq(rest, "/") {
			if (hidden(p) || isIndex(p)) && !strings.Contains(pattern, p) {
				return true
			}
		}
		return false
	}
}

func (f *finder) addNamed(dir, name string) error {
	f.within(dir)
	before := len(f.files)
	if err := f.walk(dir, nil); err != nil {
		return err
	}
	if len(f.files) == before {
		return ingest.WithHint(fmt.Errorf("open %s: the directory holds no log files", name), sourceHint)
	}
	return nil
}

// walk adds the files of a directory and of those below it. above are the real
// paths of the directories on the way, by which loops of links are seen.
func (f *finder) walk(dir string, above []string) error {
	if err := f.ctx.Err(); err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(dir)
	if err == nil && slices.Contains(above, real) {
		return nil
	}
	entries, err := os.ReadDir(dir) // sorted; gives what it could read beside the error
	if err != nil {
		f.files = append(f.files, found{open: dir, real: real, err: bare(err)})
	}
	above = append(slices.Clip(above), real)
	for _, e := range entries {
		if hidden(e.Name()) || isIndex(e.Name()) {
			continue
		}
		p := filepath.Join(dir, e.Name())
		fi, err := os.Stat(p) // follows links
		if err == nil && fi.IsDir() {
			if err := f.walk(p, above); err != nil {
				return err
			}
			continue
		}
		if err == nil && !fi.Mode().IsRegular() {
			continue // a socket, pipe or device holds no log
		}
		f.addFile(p)
	}
	return nil
}

func (f *finder) addFile(p string) {
	fi, err := os.Stat(p)
	if err != nil {
		f.files = append(f.files, found{open: p, real: p, err: bare(err)})
		return
	}
	real, err := filepath.EvalSymlinks(p)
	if err != nil {
		real = p
	}
	abs, err := filepath.Abs(real)
	if err == nil {
		real = abs
	}
	li, err := os.Lstat(p)
	f.files = append(f.files, found{open: p, real: real, link: err == nil && li.Mode()&fs.ModeSymlink != 0, size: fi.Size(), info: fi})
}

// spool copies a pipe to a temporary file, so that it can be read in rounds.
//
// Nothing can stop a read of a pipe to which nobody writes. If the context ends, the
// copy is left behind, to end with the pipe or the program.
func (f *finder) spool(name string, copyTo func(io.Writer) error) error {
	dir, err := os.MkdirTemp("", "correlate-")
	if err != nil {
		return fmt.Errorf("spool %s: %w", name, err)
	}
	f.temps = append(f.temps, dir)
	p := filepath.Join(dir, name)
	w, err := os.Create(p)
	if err != nil {
		return fmt.Errorf("spool %s: %w", name, err)
	}
	copied := make(chan error, 1)
	go func() {
		err := copyTo(w)
		if cerr := w.Close(); err == nil {
			err = cerr
		}
		copied <- err
	}()
	select {
	case err = <-copied:
	case <-f.ctx.Done():
		err = f.ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("spool %s: %w", name, err)
	}
	f.addFile(p)
	f.files[len(f.files)-1].path = name
	return nil
}

// within widens base so that dir lies in it.
func (f *finder) within(dir string) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		abs = filepath.Clean(dir)
	}
	if f.base == "" {
		f.base = abs
		return
	}
	for f.base != abs && !strings.HasPrefix(abs, strings.TrimSuffix(f.base, string(filepath.Separator))+string(filepath.Separator)) {
		parent := filepath.Dir(f.base)
		if parent == f.base {
			return
		}
		f.base = parent
	}
}

// relative gives the path of a found file as positions show it: relative to what was
// named, with slashes.
func (f *finder) relative(open string) string {
	abs, err := filepath.Abs(open)
	if err != nil {
		return filepath.ToSlash(open)
	}
	rel, err := filepath.Rel(f.base, abs)
	if err != nil {
		return filepath.ToSlash(open)
	}
	return filepath.ToSlash(rel)
}

// once keeps of files found under several names one, rather not a link, and sorts by
// path.
func (f *finder) once() {
	for i := range f.files {
		if f.files[i].path == "" {
			f.files[i].path = f.relative(f.files[i].open)
		}
	}
	slices.SortStableFunc(f.files, func(a, b found) int {
		switch {
		case a.link != b.link && a.link:
			return 1
		case a.link != b.link:
			return -1
		}
		return strings.Compare(a.path, b.path)
	})
	seen := map[string]bool{}
	f.files = slices.DeleteFunc(f.files, func(x found) bool {
		dup := seen[x.real]
		seen[x.real] = true
		return dup
	})
	slices.SortFunc(f.files, func(a, b found) int { return strings.Compare(a.path, b.path) })
}

func hidden(name string) bool { return strings.HasPrefix(name, ".") && name != "." && name != ".." }

// isIndex says whether a file is an index of others, or part of one.
func isIndex(name string) bool { return strings.Contains(name, SidecarName) }

func kindOfFile(m fs.FileMode) string {
	switch {
	case m&fs.ModeSocket != 0:
		return "socket"
	case m&(fs.ModeDevice|fs.ModeCharDevice) != 0:
		return "device"
	}
	return "special file"
}

// bare takes the operation and the path from an error, since messages begin with them.
func bare(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// cancelReader ends with the context's error once that is over.
type cancelReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
