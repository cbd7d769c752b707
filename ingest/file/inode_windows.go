package file

import "io/fs"

// inodeOf gives 0: a [fs.FileInfo] tells no number of the file here.
func inodeOf(fs.FileInfo) uint64 { return 0 }
