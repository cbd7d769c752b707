package rules

import (
	"encoding/binary"
	"reflect"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
)

// A read is something of a hop that plain conditions ask for and that is one of few things: its lineage, how its failed
// call ended, which signals its records have. It is no time, no text that a program wrote and nothing of the surroundings.
type read struct {
	name string
	// write appends it, so that what it appends tells where it ends.
	write func(*subject, []byte) []byte
}

// closed are the fields of views that hold one of few things.
var closed = []string{
	"failed", "handled_by_caller", "silent", "lineage", "role", "ended", "purpose", "protocol", "code", "http", "status_code", "known",
	"refused", "own_made", "answered", "told", "used", "logged", "skips", "again",
}

// kept are the reads of a hop that are written of every hop, whether they are asked for or not, by [appendKept]: to
// write them costs less than to find out.
var kept = []string{
	"has(hop.caller)", "has(hop.failed_by)", "hop.failed", "hop.handled_by_caller", "hop.silent", "hop.lineage", "hop.role", "hop.ended",
	"hop.sent.code", "hop.sent.http", "hop.sent.protocol", "hop.sent.known", "hop.sent.failed", "hop.sent.refused", "hop.http.response.status_code",
}

// keptOfCall are those of the call on which its failure rests.
var keptOfCall = []string{
	"has(hop.failed_by.callee)", "hop.failed_by.ended", "hop.failed_by.purpose", "hop.failed_by.answered", "hop.failed_by.told", "hop.failed_by.logged",
	"hop.failed_by.own_made", "hop.failed_by.used", "hop.failed_by.failed", "hop.failed_by.skips", "hop.failed_by.again",
	"hop.failed_by.received.code", "hop.failed_by.received.http", "hop.failed_by.received.protocol", "hop.failed_by.received.known", "hop.failed_by.received.failed", "hop.failed_by.received.refused",
	"hop.failed_by.callee.role", "hop.failed_by.callee.lineage", "hop.failed_by.callee.failed", "hop.failed_by.callee.silent",
	"hop.failed_by.callee.sent.code", "hop.failed_by.callee.sent.http", "hop.failed_by.callee.sent.protocol", "hop.failed_by.callee.sent.known", "hop.failed_by.callee.sent.failed", "hop.failed_by.callee.sent.refused",
}

// appendKept writes all that is kept of a hop and of the call on which its failure rests.
func appendKept(h *HopView, b []byte) []byte {
	of := h.hop
	b = append(b, bits(h.Caller != nil, h.FailedBy != nil, h.Failed, h.HandledByCaller, h.Silent), byte(of.Lineage), byte(of.Role), byte(of.Ended))
	b = appendStatus(b, &h.Sent)
	c := h.FailedBy
	if c == nil {
		return b
	}
	b = append(b, byte(c.call.Ended), byte(c.call.Purpose), bits(c.Answered, c.Told, c.Logged, c.OwnMade, c.Used, c.Failed, c.Skips, c.Again))
	b = appendStatus(b, &c.Received)
	if c.Callee == nil {
		return append(b, 0)
	}
	b = append(b, 1, byte(c.Callee.hop.Role), byte(c.Callee.hop.Lineage), bits(c.Callee.Failed, c.Callee.Silent))
	return appendStatus(b, &c.Callee.Sent)
}

// appendStatus writes a status, of which all else of its view follows.
func appendStatus(b []byte, s *StatusView) []byte {
	return appendText(binary.AppendVarint(b, int64(s.Code)), s.Protocol)
}

func bits(all ...bool) (b byte) {
	for i, is := range all {
		b |= bit(is) << i
	}
	return b
}

// readsOf gives what a plain condition asks of a hop; false if it asks for more than reads are.
func readsOf(whole *ast.AST, e ast.Expr) ([]read, bool) {
	q := &quickener{info: whole.SourceInfo()}
	switch e.Kind() {
	case ast.LiteralKind:
		return nil, true
	case ast.ListKind:
		return readsOfAll(whole, e.AsList().Elements())
	case ast.SelectKind:
		r := q.field(e)
		if r == nil {
			return nil, false
		}
		name := source(e, whole)
		switch {
		case e.AsSelect().IsTestOnly():
			if r.of.Kind() != reflect.Pointer {
				return nil, false
			}
			return []read{{name, func(x *subject, b []byte) []byte { return append(b, bit(!r.read(x).IsNil())) }}}, true
		case !slices.Contains(closed, e.AsSelect().FieldName()):
			return nil, false
		case r.of.Kind() == reflect.Bool:
			return []read{{name, func(x *subject, b []byte) []byte { return append(b, bit(r.read(x).Bool())) }}}, true
		case r.of.Kind() == reflect.Int:
			return []read{{name, func(x *subject, b []byte) []byte { return binary.AppendVarint(b, r.read(x).Int()) }}}, true
		case r.of.Kind() == reflect.String:
			return []read{{name, func(x *subject, b []byte) []byte { return appendText(b, r.read(x).String()) }}}, true
		}
		return nil, false
	case ast.CallKind:
		return readsOfCall(whole, e.AsCall(), "")
	case ast.ComprehensionKind:
		// Whether the hop has one of several signals.
		m, ok := q.info.GetMacroCall(e.ID())
		if !ok || m.AsCall().FunctionName() != operators.Exists || len(m.AsCall().Args()) != 2 || m.AsCall().Args()[1].Kind() != ast.CallKind {
			return nil, false
		}
		if _, ok := literalTexts(m.AsCall().Target()); !ok {
			return nil, false
		}
		return readsOfCall(whole, m.AsCall().Args()[1].AsCall(), m.AsCall().Args()[0].AsIdent())
	}
	return nil, false
}

func readsOfAll(whole *ast.AST, all []ast.Expr) ([]read, bool) {
	out := []read{}
	for _, e := range all {
		r, ok := readsOf(whole, e)
		if !ok {
			return nil, false
		}
		out = append(out, r...)
	}
	return out, true
}

// readsOfCall is readsOf for a call, in which element stands for a literal; "" if none does.
func readsOfCall(whole *ast.AST, c ast.CallExpr, element string) ([]read, bool) {
	if !c.IsMemberFunction() {
		if element != "" {
			return nil, false
		}
		switch c.FunctionName() {
		case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional, operators.Equals, operators.NotEquals,
			operators.In, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
			return readsOfAll(whole, c.Args())
		}
		return nil, false
	}
	if c.Target().Kind() != ast.IdentKind || c.Target().AsIdent() != "hop" {
		return nil, false
	}
	for _, e := range c.Args() {
		if e.Kind() != ast.LiteralKind && (element == "" || e.Kind() != ast.IdentKind || e.AsIdent() != element) {
			return nil, false
		}
	}
	switch c.FunctionName() {
	case "says", "states", "means", "signal", "remarks":
		return []read{{"the signals of its records", appendSignals}}, true
	case "told_by":
		return []read{{"the signals of its dependencies", appendTold}}, true
	case "own_exception":
		return []read{{"hop.own_exception()", func(x *subject, b []byte) []byte { return append(b, bit(x.hop.ownException() != nil)) }}}, true
	}
	return nil, false
}

// appendSignals writes which signals the records have that may speak of the hop's own failure, and which of these say
// why it failed: all that says, states, means, signal and remarks look at.
func appendSignals(x *subject, b []byte) []byte {
	for e := range x.hop.signalled {
		if len(e.signals) == 0 && len(e.meaning) == 0 {
			continue
		}
		b = append(b, 1+bit(e == x.hop.answer))
		for _, some := range [][]*Signal{e.signals, e.meaning} {
			b = binary.AppendUvarint(b, uint64(len(some)))
			for _, s := range some {
				b = appendText(b, s.ID)
			}
		}
	}
	return append(b, 0)
}

// appendTold writes why dependencies say that they failed calls of the hop, and who they are: all that told_by looks at.
func appendTold(x *subject, b []byte) []byte {
	for c := range x.hop.dependencies {
		for _, e := range c.Events {
			if len(e.meaning) == 0 {
				continue
			}
			b = appendText(append(b, 1), e.Service)
			b = binary.AppendUvarint(b, uint64(len(e.meaning)))
			for _, s := range e.meaning {
				b = appendText(b, s.ID)
			}
		}
	}
	return append(b, 0)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// A shape is what the plain conditions of all rules make of the hops of which all reads are the same: like failures
// differ in times, texts and IDs and are of one shape. Conditions that ask for more are open in it.
type shape struct {
	rules []*rule // those that may fire
	known []truth // of plain conditions, by their numbers
}

// shapes are those of the hops that a set has judged. They are safe for concurrent use.
type shapes struct {
	off   bool // every rule is put to every hop anew
	once  sync.Once
	reads []read // of all rules, each once, but for those that are kept and for those
	calls []read // of the call on which the failure rests

	mu     sync.RWMutex
	known  map[string]*shape // by what the reads wrote
	made   int               // how many were made in all
	forgot int               // how often all were forgotten as there were too many
}

// ofCall begins the names of reads of the call on which a hop's failure rests.
const ofCall = "hop.failed_by."

// shapesMost bounds the shapes that are kept: of too many all are forgotten.
const shapesMost = 4096

// of gives the shape of a hop, and room again, in which it writes.
func (s *shapes) of(set *Set, at *subject, room []byte) (*shape, []byte) {
	s.once.Do(func() {
		for _, r := range set.reads() {
			switch {
			case slices.Contains(kept, r.name), slices.Contains(keptOfCall, r.name):
			case strings.HasPrefix(r.name, ofCall):
				s.calls = append(s.calls, r)
			default:
				s.reads = append(s.reads, r)
			}
		}
	})
	key := appendKept(at.hop, room[:0])
	for i := range s.reads {
		key = s.reads[i].write(at, key)
	}
	if at.hop.FailedBy != nil { // else all of them read as empty
		for i := range s.calls {
			key = s.calls[i].write(at, key)
		}
	}
	s.mu.RLock()
	found := s.known[string(key)]
	s.mu.RUnlock()
	if found != nil {
		return found, key
	}
	found = set.shape(at.hop)
	s.keep(key, found)
	return found, key
}

func (s *shapes) keep(key []byte, of *shape) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= shapesMost {
		s.known = nil
		s.forgot++
	}
	if s.known == nil {
		s.known = map[string]*shape{}
	}
	s.known[string(key)] = of
	s.made++
}

// reads gives what the plain conditions of all rules read, by name.
func (s *Set) reads() []read {
	var out []read
	for _, r := range s.rules {
		for _, c := range r.condition.plain() {
			out = append(out, c.allReads()...)
		}
	}
	slices.SortStableFunc(out, func(a, b read) int { return strings.Compare(a.name, b.name) })
	return slices.CompactFunc(out, func(a, b read) bool { return a.name == b.name })
}

// allReads gives what the plain conditions read of which a condition consists.
func (c *condition) allReads() []read {
	out := c.reads
	for _, p := range c.parts {
		out = append(slices.Clip(out), p.allReads()...)
	}
	return out
}

// shape finds what is decided for all hops of the shape of one.
func (s *Set) shape(h *HopView) *shape {
	out := &shape{}
	at := &subject{hop: h, keep: true, shaped: true}
	for _, r := range s.rules {
		if r.condition.cheaply(at) != no {
			out.rules = append(out.rules, r)
		}
	}
	out.known = slices.Clip(at.known)
	return out
}
