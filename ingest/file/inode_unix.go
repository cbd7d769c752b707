//go:build unix

package file

import (
	"io/fs"
	"syscall"
)

// inodeOf gives the number by which the system knows the file whatever it is called; 0 if it has none.
func inodeOf(fi fs.FileInfo) uint64 {
	if fi == nil {
		return 0
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Ino)
	}
	return 0
}
