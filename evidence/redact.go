package evidence

import (
	"encoding/base64"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A kind is one sort of secret: how it is found in text. The whole table is kinds;
// its order decides between two kinds that find the same text.
type kind struct {
	name string
	doc  string
	// hints are lower-case words of which a text must contain one; it spares most
	// texts the expression. Empty: every text is tried.
	hints []string
	// re finds it; the last group that matched is the secret, the rest stays.
	re *regexp.Regexp
	// accept looks at a find once more; nil accepts all.
	accept func(text string, start, end int) bool
	// spares says that identifiers of the request are never taken for this kind.
	spares bool
}

// sep stands between a name and its value in headers, JSON, query strings and
// assignments, also where quotes are escaped or the text is percent-encoded.
const sep = `[\\"']*\s*(?:[:=]|=>|%3[dD])\s*[\["'\\]*`

// secretName is a name whose value is a secret: with any prefix (x-api-key,
// dbPassword) for the long words, alone for the short ones.
const secretName = `(?i:(?:[a-z0-9_.\-]*(?:password|passwd|passphrase|passcode|pwd|secret|token|api[-_.]?key|access[-_.]?key(?:[-_.]?id)?|private[-_.]?key|secret[-_.]?key|` +
	`session[-_.]?key|credentials?|x-amz-signature|x-amz-credential|jsessionid|phpsessid|sessionid|connect\.sid)(?:[-_]?hash)?)|\b(?:pin|sig|otp|cvv|cvc|ssn))`

var secretHints = []string{"pass", "pwd", "secret", "token", "key", "credential", "amz", "sess", "connect.sid", "pin", "sig", "otp", "cvv", "cvc", "ssn"}

var kinds = []kind{
	{
		name: "private_key", doc: "the body of a PEM or PGP private key block, to the end of the text if its end is not there", hints: []string{"private key"},
		re: regexp.MustCompile(`(?s)-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(.+?)(?:-----END|\z)`),
	},
	{
		name: "cookie", doc: "the value of a Cookie or Set-Cookie header", hints: []string{"cookie"},
		re: regexp.MustCompile(`(?i)\bcookies?` + sep + `([^\s"'\\;,=]+=[^"'\r\n\\]*)`),
	},
	{
		name: "jwt", doc: "a JSON Web Token", hints: []string{"eyj"},
		re: regexp.MustCompile(`\b(eyJ[A-Za-z0-9_\-]{5,}\.[A-Za-z0-9_\-]{5,}(?:\.[A-Za-z0-9_\-]*)?)`),
	},
	{
		name: "authorization", doc: "the parameters of an Authorization header of a scheme with several of them (Digest, AWS4-HMAC-SHA256)", hints: []string{"authorization"},
		re: regexp.MustCompile(`(?i)\bauthorization` + sep + `(?:digest|aws4-hmac-sha256|signature|hawk|oauth)\s+((?:[a-z_]+=(?:\\*"[^"\\]*\\*"|[^\s,"]+)(?:,\s*)?)+)`),
	},
	{
		name: "authorization", doc: "the credentials of an Authorization or Proxy-Authorization header", hints: []string{"authorization"},
		re:     regexp.MustCompile(`(?i)\bauthorization` + sep + `(?:(?:basic|bearer|token|negotiate|ntlm|apikey|key)\s+)?([^\s"'\\,;&<>|\[\]]+)`),
		accept: notScheme,
	},
	{
		name: "bearer", doc: "a bearer token outside of a header", hints: []string{"bearer"},
		re:     regexp.MustCompile(`(?i)\bbearer(?:\s+|%20|\+)([A-Za-z0-9\-._~+/]{8,}=*)`),
		accept: func(s string, a, b int) bool { return strings.ContainsAny(s[a:b], "0123456789") || b-a >= 24 },
	},
	{
		name: "basic", doc: "base64 of user:password after the word Basic", hints: []string{"basic"},
		re:     regexp.MustCompile(`(?i)\bbasic\s+([A-Za-z0-9+/]{4,}={0,2})`),
		accept: isUserPassword,
	},
	{
		name: "aws_key", doc: "an AWS access key ID", hints: []string{"akia", "asia"},
		re: regexp.MustCompile(`\b((?:AKIA|ASIA)[A-Z0-9]{16})\b`),
	},
	{
		name: "api_key", doc: "a key with the prefix of a known issuer: GitHub, GitLab, Slack, Stripe, Google, npm and others",
		hints: []string{"gh", "glpat-", "xox", "sk_", "rk_", "sk-", "aiza", "npm_"},
		re: regexp.MustCompile(`\b(gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}|glpat-[A-Za-z0-9_\-]{20,}|xox[abeoprs]-[A-Za-z0-9\-]{10,}|` +
			`[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|sk-[A-Za-z0-9_\-]{20,}|AIza[A-Za-z0-9_\-]{35}|npm_[A-Za-z0-9]{36})`),
	},
	{
		name: "url_password", doc: "the password of a URL, or the whole userinfo where it has no user", hints: []string{"://"},
		re: regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.\-]*://(?:[^\s/?#@:"'<>\\]*:)?([^\s/?#"'<>\\]+)@`),
	},
	{
		name: "secret", doc: "the value of a name such as password, token or api_key, in a JSON or quoted string", hints: secretHints, spares: true,
		re:     regexp.MustCompile(secretName + `["']?\s*(?:[:=]|=>)\s*(?:"((?:[^"\\]|\\.)+)|'((?:[^'\\]|\\.)+))`),
		accept: isValue,
	},
	{
		name: "secret", doc: "the same in a JSON string inside a string", hints: secretHints, spares: true,
		re:     regexp.MustCompile(secretName + `\\+"\s*:\s*\\+"([^"\\]+)`),
		accept: isValue,
	},
	{
		name: "secret", doc: "the same in a query, a form, a header or an assignment", hints: secretHints, spares: true,
		re:     regexp.MustCompile(secretName + sep + `([^\s"'&;,\\<>(){}|\[\]%]+(?:%[0-9A-Fa-f]{2}[^\s"'&;,\\<>(){}|\[\]%]*)*)`),
		accept: isValue,
	},
	{
		name: "email", doc: "an e-mail address, also with %40", hints: []string{"@", "%40"},
		re:     regexp.MustCompile(`([\p{L}\p{N}._%+'\-]*[\p{L}\p{N}_+'\-](?:@|%40)(?:[\p{L}\p{N}](?:[\p{L}\p{N}\-]*[\p{L}\p{N}])?\.)+\p{L}{2,24})`),
		accept: isAddress,
	},
	{
		name: "card", doc: "a payment card number: 13 to 19 digits, plain or in the groups in which cards print them, with a known issuer's prefix and a right check digit", spares: true,
		re:     regexp.MustCompile(`(\d{4}[ \-]\d{4}[ \-]\d{4}[ \-]\d{1,4}(?:[ \-]\d{1,3})?|\d{4}[ \-]\d{6}[ \-]\d{4,5}|\d{13,19})`),
		accept: isCard,
	},
}

// notScheme refuses the name of a scheme without credentials.
func notScheme(s string, a, b int) bool {
	switch strings.ToLower(s[a:b]) {
	case "basic", "bearer", "token", "negotiate", "ntlm", "apikey", "key", "digest", "aws4-hmac-sha256", "signature", "hawk", "oauth":
		return false
	}
	return isValue(s, a, b)
}

func isUserPassword(s string, a, b int) bool {
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s[a:b], "="))
	return err == nil && strings.Contains(string(raw), ":") && utf8.Valid(raw)
}

// notSecrets are values that tell something about a secret, or that it is not there.
var notSecrets = map[string]bool{
	"null": true, "nil": true, "none": true, "true": true, "false": true, "undefined": true, "-": true, "empty": true, "missing": true,
	"invalid": true, "expired": true, "required": true, "wrong": true, "not": true, "is": true, "was": true, "has": true, "must": true,
	"too": true, "no": true, "the": true, "unknown": true, "rejected": true, "revoked": true, "redacted": true, "filtered": true, "hidden": true,
}

func isValue(s string, a, b int) bool {
	v := strings.Trim(s[a:b], ".:!? ")
	return v != "" && strings.Trim(v, "*xX.•") != "" && !notSecrets[strings.ToLower(v)]
}

// notDomains end names that look like an address and are none: systemd's units and files.
var notDomains = map[string]bool{
	"service": true, "socket": true, "timer": true, "target": true, "mount": true, "slice": true, "scope": true, "device": true, "path": false,
	"js": true, "ts": true, "mjs": true, "py": true, "go": true, "rb": true, "java": true, "log": true, "so": true, "jar": true, "html": true, "json": true,
}

func isAddress(s string, a, b int) bool {
	v := s[a:b]
	return !notDomains[strings.ToLower(v[strings.LastIndexByte(v, '.')+1:])]
}

var idName = regexp.MustCompile(`(?i)(?:trace|span|parent|request|correlation|connection|session|thread|process|event|message|offset|seq)[-_.]?(?:id|no)?["']*\s*[:=]\s*["']*$`)

// isCard tells card numbers from the IDs, stamps and hexadecimal digits that logs
// are full of. Prefixes and lengths: ISO/IEC 7812 as the networks use it.
func isCard(s string, a, b int) bool {
	if a > 0 {
		if r, _ := utf8.DecodeLastRuneInString(s[:a]); isWord(r) || r == '-' || r == '.' || r == '/' && a > 1 && isWord(rune(s[a-2])) {
			return false
		}
	}
	if b < len(s) {
		r, n := utf8.DecodeRuneInString(s[b:])
		if isWord(r) || r == '-' || r == '/' {
			return false
		}
		if r == '.' || r == ' ' || r == ':' {
			if r2, _ := utf8.DecodeRuneInString(s[b+n:]); r != ' ' && unicode.IsDigit(r2) {
				return false
			}
		}
	}
	if idName.MatchString(s[max(0, a-40):a]) {
		return false
	}
	digits := make([]byte, 0, 19)
	var sepByte byte
	for i := a; i < b; i++ {
		if c := s[i]; c >= '0' && c <= '9' {
			digits = append(digits, c)
		} else if sepByte == 0 {
			sepByte = c
		} else if c != sepByte {
			return false
		}
	}
	return cardPrefix(string(digits)) && luhn(digits)
}

func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

func cardPrefix(d string) bool {
	n := len(d)
	p := func(k int) int { v, _ := strconv.Atoi(d[:k]); return v }
	switch {
	case n < 13 || n > 19:
		return false
	case d[0] == '4': // Visa
		return n == 13 || n == 16 || n == 19
	case p(2) >= 51 && p(2) <= 55, p(4) >= 2221 && p(4) <= 2720: // Mastercard
		return n == 16
	case p(2) == 34, p(2) == 37: // American Express
		return n == 15
	case p(4) == 6011, p(2) == 65, p(3) >= 644 && p(3) <= 649, p(2) == 62: // Discover, UnionPay
		return n >= 16
	case p(4) >= 3528 && p(4) <= 3589: // JCB
		return n >= 16
	case p(2) == 36, p(2) == 38, p(2) == 39, p(3) >= 300 && p(3) <= 305: // Diners Club
		return n >= 14
	case p(2) == 50, p(2) >= 56 && p(2) <= 58: // Maestro
		return n == 16 || n == 19
	}
	return false
}

func luhn(digits []byte) bool {
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// A Redactor takes secrets out of texts. Equal secrets of one kind get equal
// markers, so that lines can still be compared. Not for concurrent use.
type Redactor struct {
	numbers map[string]map[string]int // kind -> secret -> number
	spared  map[string]bool
}

// NewRedactor makes a redactor that does not take the given identifiers for numbers
// or tokens: they name requests.
func NewRedactor(ids ...string) *Redactor {
	r := &Redactor{numbers: map[string]map[string]int{}, spared: map[string]bool{}}
	for _, id := range ids {
		if id != "" {
			r.spared[id] = true
		}
	}
	return r
}

// A Find is one secret that was taken out.
type Find struct {
	Kind   string
	Marker string // "[redacted:email:1]"
	Offset int    // in the redacted text, of the marker
}

// marker is the form of what stands for a secret.
var marker = regexp.MustCompile(`\[redacted:[a-z_]+:[0-9]+\]`)

// Redact gives s without its secrets, and what was taken out in order of place. A
// marker in s stays as it is, so that redacting twice changes nothing.
func (r *Redactor) Redact(s string) (string, []Find) {
	out := s
	for {
		next, n := r.pass(out)
		if n == 0 {
			break
		}
		out = next // what stood beside a secret may be one by itself now
	}
	if out == s {
		return s, nil
	}
	var finds []Find
	old := map[string]int{}
	for _, m := range marker.FindAllString(s, -1) {
		old[m]++
	}
	for _, m := range marker.FindAllStringIndex(out, -1) {
		text := out[m[0]:m[1]]
		if old[text] > 0 {
			// It stood there before; which of several equal ones does not matter.
			old[text]--
			continue
		}
		finds = append(finds, Find{Kind: strings.Split(text, ":")[1], Marker: text, Offset: m[0]})
	}
	return out, finds
}

// pass replaces what stands between the markers of s once.
func (r *Redactor) pass(s string) (string, int) {
	var b strings.Builder
	n, at := 0, 0
	for _, m := range append(marker.FindAllStringIndex(s, -1), []int{len(s), len(s)}) {
		text, k := r.stretch(s[at:m[0]])
		n += k
		b.WriteString(text)
		b.WriteString(s[m[0]:m[1]])
		at = m[1]
	}
	return b.String(), n
}

type found struct{ start, end, kind int }

func (r *Redactor) stretch(s string) (string, int) {
	if s == "" {
		return s, 0
	}
	var all []found
	lower := strings.ToLower(s)
	for i := range kinds {
		k := &kinds[i]
		if !hinted(lower, k.hints) {
			continue
		}
		for _, m := range k.re.FindAllStringSubmatchIndex(s, -1) {
			a, z := -1, -1
			for g := 2; g+1 < len(m); g += 2 {
				if m[g] >= 0 {
					a, z = m[g], m[g+1]
				}
			}
			if a < 0 || a == z || k.spares && r.spared[s[a:z]] || k.accept != nil && !k.accept(s, a, z) {
				continue
			}
			all = append(all, found{a, z, i})
		}
	}
	if len(all) == 0 {
		return s, 0
	}
	sort.SliceStable(all, func(i, j int) bool {
		if all[i].start != all[j].start {
			return all[i].start < all[j].start
		}
		if all[i].end != all[j].end {
			return all[i].end > all[j].end
		}
		return all[i].kind < all[j].kind
	})
	// Finds that overlap are one, of the kind of the first: no part of either stays.
	merged := all[:1]
	for _, f := range all[1:] {
		last := &merged[len(merged)-1]
		if f.start < last.end {
			last.end = max(last.end, f.end)
			continue
		}
		merged = append(merged, f)
	}
	var b strings.Builder
	at := 0
	for _, f := range merged {
		b.WriteString(s[at:f.start])
		b.WriteString(r.mark(kinds[f.kind].name, s[f.start:f.end]))
		at = f.end
	}
	b.WriteString(s[at:])
	return b.String(), len(merged)
}

func hinted(lower string, hints []string) bool {
	for _, h := range hints {
		if strings.Contains(lower, h) {
			return true
		}
	}
	return len(hints) == 0
}

func (r *Redactor) mark(kind, secret string) string {
	m := r.numbers[kind]
	if m == nil {
		m = map[string]int{}
		r.numbers[kind] = m
	}
	n, ok := m[secret]
	if !ok {
		n = len(m) + 1
		m[secret] = n
	}
	return "[redacted:" + kind + ":" + strconv.Itoa(n) + "]"
}
