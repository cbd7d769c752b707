//go:build linux

package testserver

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// fetch gives the path of the kind's distribution, out of the cache if it is there.
func fetch(ctx context.Context, k *Kind) (string, error) {
	dir, err := cache()
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, k.Name+".zip")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	if err := install(ctx, "mvn", "maven"); err != nil {
		return "", err
	}
	// Another test program may fetch the same: what is whole is moved to its place.
	work, err := os.MkdirTemp(dir, "fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	cmd := exec.CommandContext(ctx, "mvn", "-q", "-B", "dependency:copy", "-Dartifact="+k.artifact, "-DoutputDirectory="+work)
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("fetch %s: %w: %s", k.artifact, err, tail(string(out)))
	}
	return file, os.Rename(filepath.Join(work, k.Name+".zip"), file)
}

// install installs a Debian package if a command is missing.
func install(ctx context.Context, command string, packages ...string) error {
	if _, err := exec.LookPath(command); command != "" && err == nil {
		return nil
	}
	for _, args := range [][]string{{"update", "-qq"}, append([]string{"install", "-y", "-qq", "--no-install-recommends"}, packages...)} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("install %s: %w: %s", strings.Join(packages, " "), err, tail(string(out)))
		}
	}
	return nil
}

var javaVersion = regexp.MustCompile(`version "(\d+)`)

// javaHome gives the home of a Java machine that is not older than least, the oldest that there
// is.
func javaHome(ctx context.Context, least int) (string, error) {
	if home := findJava(ctx, least); home != "" {
		return home, nil
	}
	if err := install(ctx, "", fmt.Sprintf("openjdk-%d-jre-headless", least)); err != nil {
		return "", err
	}
	if home := findJava(ctx, least); home != "" {
		return home, nil
	}
	return "", fmt.Errorf("no Java machine of version %d or newer in /usr/lib/jvm", least)
}

func findJava(ctx context.Context, least int) string {
	homes, _ := filepath.Glob("/usr/lib/jvm/*") // the pattern is a good one
	best, home := 0, ""
	for _, h := range append(homes, os.Getenv("JAVA_HOME")) {
		out, err := exec.CommandContext(ctx, filepath.Join(h, "bin", "java"), "-version").CombinedOutput()
		if err != nil {
			continue
		}
		m := javaVersion.FindSubmatch(out)
		if m == nil {
			continue
		}
		if v, _ := strconv.Atoi(string(m[1])); v >= least && (best == 0 || v < best) {
			best, home = v, h
		}
	}
	return home
}

// unzip unpacks an archive that we fetched.
func unzip(archive, dir string) error {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return fmt.Errorf("open %s: %w", archive, err)
	}
	defer z.Close()
	for _, f := range z.File {
		p, err := filepath.Localize(strings.TrimSuffix(f.Name, "/"))
		if err != nil {
			return fmt.Errorf("%s: %s: %w", archive, f.Name, err)
		}
		p = filepath.Join(dir, p)
		if f.FileInfo().IsDir() {
			if err := os.MkdirAll(p, 0o755); err != nil {
				return err
			}
			continue
		}
		if err := unzipFile(f, p); err != nil {
			return err
		}
	}
	return os.Chmod(dir, 0o755)
}

func unzipFile(f *zip.File, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, f.Mode().Perm()|0o644)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
