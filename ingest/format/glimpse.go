package format

// A glimpse of a line says which pairs of bytes may stand next to each other in it. Most formats are known by it not
// to read the line, without a search for what each of them needs.
type glimpse [32]uint64

// take looks at the line.
func (g *glimpse) take(line []byte) {
	for i := 1; i < len(line); i++ {
		h := pairBit(line[i-1], line[i])
		g[h/64] |= 1 << (h % 64)
	}
}

// may says whether the text may stand in the line.
func (g *glimpse) may(text string) bool {
	for i := 1; i < len(text); i++ {
		if h := pairBit(text[i-1], text[i]); g[h/64]>>(h%64)&1 == 0 {
			return false
		}
	}
	return true
}

func pairBit(a, b byte) uint { return (uint(a)*37 + uint(b)*5) % (64 * uint(len(glimpse{}))) }

// mayRead says whether a line of which that is the glimpse may be a record of the format.
func (c *compiled) mayRead(g *glimpse) bool {
	if c.decoder != regexpDecoder {
		return true
	}
	for _, p := range c.patterns {
		if g.may(p.re.must) {
			return true
		}
	}
	return false
}
