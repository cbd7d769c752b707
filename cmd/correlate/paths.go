package main

import (
	"os"
	"strings"
)

// canOpen says whether a path of the command line is there. A glob and standard
// input are looked at when they are opened.
func canOpen(path string) bool {
	if path == "-" || strings.ContainsAny(path, "*?[{") {
		return true
	}
	_, err := os.Stat(path)
	return err == nil
}
