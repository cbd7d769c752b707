// Package idindex tells in which blocks of a text an ID may stand, by an index of about
// one hundredth of the text's size. It knows neither logs nor keys.
//
// What it holds of a text are the ends of its runs of letters and digits: of a run the last 8
// bytes, or more where these say little ([tailOf]), and the 8 bytes before "==", with which an ID in base64 ends.
// An ID is found by the ends of its own runs, so whatever stands before it: in the low half of a longer
// ID, or behind an escape such as %3D. It must only be that no letter or digit follows directly. Runs
// of letters alone, and numbers but for long ones, are no ends: words, times and durations would
// make the index as large as the text. A pattern without such an end has to be searched for in the text itself; [NewQuery]
// says which.
//
// An index is made of segments of 16 MiB of text in blocks of 16 KiB. One segment is made by a
// [Builder], and read back by [Segment.Parse]. As stored, its numbers the low byte first:
//
//	1  the logarithm b of the number of buckets; 255: it holds no ends, any block may hold anything
//	2  the number of blocks n
//	n × 2    line feeds of each block
//	2^b × 1  pairs of each bucket; 255: any block may hold what falls in it
//	m/3 × 8  the pairs, three of 21 bits in 8 bytes: the next 11 bits of the hash, then the block in 10 bits
//
// The hash of an end has 32 bits. Its first b are the bucket. The chance of a strange end to be found
// in a segment is six in a thousand. Note: filters of each block are as small but take a probe
// for each block; with larger segments a pair takes more bits for its block.
package idindex

import (
	"encoding/binary"
	"math/bits"
)

const (
	// BlockSize is of how much text it is told whether it may hold an ID, in bytes.
	BlockSize = 16 << 10
	// SegmentSize is how much text a segment is of at most.
	SegmentSize = blocks * BlockSize

	blockBits = 10
	entryBits = 11             // of the hash in a pair
	inWord    = 3              // pairs
	blocks    = 1 << blockBits // of a segment
	pairBits  = entryBits + blockBits
	leastTail = 8 // bytes of a run that are its end
)

// Salts of the kinds of ends, each of so many bytes.
const (
	salt8      = 0x9E3779B97F4A7C15
	salt12     = 0xC2B2AE3D27D4EB4F
	salt16     = 0x165667B19E3779F9
	saltBase64 = 0xD6E8FEB86659FD93
)

// letterBits are the bits by which letters differ from digits, in every byte.
const letterBits = 0x4040404040404040

// tailOf gives the hash of the end of a run of letters and digits that is not shorter than
// leastTail; false if it has none. What the run begins with makes no difference to it, but for
// one of twelve digits: alone says that nothing of it is missing.
//
// Its end is the last 8 bytes if letters and digits are mixed in them. A letter or two behind a number is a unit, or the
// zone behind the fraction of a second. Else its last 12 if mixed, or if they are all of it and digits, as the last group of a UUID may be;
// else its last 16.
func tailOf(run []byte, alone bool) (uint32, bool) {
	n := len(run)
	last := binary.LittleEndian.Uint64(run[n-8:])
	switch m := last & letterBits; m {
	case 0, letterBits, 0x40 << 56, 0x4040 << 48:
	default:
		return hash(last*salt8 + salt8), true
	}
	if n < 12 {
		return 0, false
	}
	before := uint64(binary.LittleEndian.Uint32(run[n-12:]))
	m, mb := last&letterBits, before&(letterBits>>32)
	mixed := m|mb != 0 && (m != letterBits || mb != letterBits>>32)
	if mixed || n == 12 && alone && m|mb == 0 {
		return hash(last*salt12 + before*salt8), true
	}
	if n < 16 {
		return 0, false
	}
	before = binary.LittleEndian.Uint64(run[n-16:])
	return hash(last*salt16 + bits.RotateLeft64(before*salt8, 17)), true
}

// base64Tail gives the hash of the 8 bytes before "==".
func base64Tail(before []byte) uint32 {
	return hash(binary.LittleEndian.Uint64(before[len(before)-8:])*saltBase64 + saltBase64)
}

func hash(x uint64) uint32 {
	x ^= x >> 29
	x *= 0xBF58476D1CE4E5B9
	return uint32(x >> 32)
}

// alnum says which bytes make runs.
var alnum = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	}
	return t
}()
