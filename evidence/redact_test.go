package evidence

import (
	"fmt"
	"strings"
	"testing"
)

func TestRedact(t *testing.T) {
	jwt := "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"
	for _, c := range []struct{ kind, in, want string }{
		{"authorization", "Authorization: Bearer abc.def-123", "Authorization: Bearer [redacted:authorization:1]"},
		{"authorization", "proxy-authorization: Basic dXNlcjpwYXNz", "proxy-authorization: Basic [redacted:authorization:1]"},
		{"authorization", `{"authorization":"Token 9944b09199c62bcf"}`, `{"authorization":"Token [redacted:authorization:1]"}`},
		{"authorization", `{"headers":{"Authorization":["secretvalue"]}}`, `{"headers":{"Authorization":["[redacted:authorization:1]"]}}`},
		{"authorization", `Authorization: Digest username="bob", realm="x", response="6629fae4" id=7`, `Authorization: Digest [redacted:authorization:1] id=7`},
		{"authorization", `\"authorization\":\"Bearer zzz\"`, `\"authorization\":\"Bearer [redacted:authorization:1]\"`},
		{"cookie", "Cookie: sid=31d4d96e407aad42; theme=dark", "Cookie: [redacted:cookie:1]"},
		{"cookie", `{"set-cookie":"sid=31d4; HttpOnly","status":200}`, `{"set-cookie":"[redacted:cookie:1]","status":200}`},
		{"jwt", "user token " + jwt + " expired", "user token [redacted:jwt:1] expired"},
		{"jwt", "Authorization: Bearer " + jwt, "Authorization: Bearer [redacted:jwt:1]"},
		{"bearer", "got bearer mF_9.B5f-4.1JqM, refused", "got bearer [redacted:bearer:1], refused"},
		{"basic", "sent basic QWxhZGRpbjpvcGVuIHNlc2FtZQ== twice", "sent basic [redacted:basic:1] twice"},
		{"aws_key", "key AKIAIOSFODNN7EXAMPLE used", "key [redacted:aws_key:1] used"},
		{"api_key", "push with ghp_0123456789abcdefghijABCDEFGHIJ012345", "push with [redacted:api_key:1]"},
		{"api_key", "slack xoxb-123456789012-abcdefGHIJKL", "slack [redacted:api_key:1]"},
		{"api_key", "stripe sk_live_4eC39HqLyjWDarjtT1zdp7dc", "stripe [redacted:api_key:1]"},
		{"secret", "GET /login?user=bob&password=hunter2&next=%2F HTTP/1.1", "GET /login?user=bob&password=[redacted:secret:1]&next=%2F HTTP/1.1"},
		{"secret", "GET /x?token=a%20b%3D&y=1", "GET /x?token=[redacted:secret:1]&y=1"},
		{"secret", "referer=/x%3Ftoken%3Dabc123", "referer=/x%3Ftoken%3D[redacted:secret:1]"},
		{"secret", `{"user":"bob","password":"a\"b c"}`, `{"user":"bob","password":"[redacted:secret:1]"}`},
		{"secret", `{"body":"{\"password\":\"hunter2\",\"n\":1}"}`, `{"body":"{\"password\":\"[redacted:secret:1]\",\"n\":1}"}`},
		{"secret", `{'api_key': 'k1', 'x': 1}`, `{'api_key': '[redacted:secret:1]', 'x': 1}`},
		{"secret", `msg="login failed" dbPassword=s3cr3t level=error`, `msg="login failed" dbPassword=[redacted:secret:1] level=error`},
		{"secret", "X-Api-Key: 7f3c", "X-Api-Key: [redacted:secret:1]"},
		{"secret", "client_secret = foo", "client_secret = [redacted:secret:1]"},
		{"secret", `{"pin":4711}`, `{"pin":[redacted:secret:1]}`},
		{"secret", "aws_secret_access_key=wJalrXUtnFEMI/K7MDENG", "aws_secret_access_key=[redacted:secret:1]"},
		{"secret", "/get?X-Amz-Signature=fe5f80&x=1", "/get?X-Amz-Signature=[redacted:secret:1]&x=1"},
		{"url_password", "dial postgres://app:p@ss:w0rd@db-1:5432/shop", "dial postgres://app:[redacted:url_password:1]@db-1:5432/shop"},
		{"url_password", "clone https://ghtoken@host/x.git", "clone https://[redacted:url_password:1]@host/x.git"},
		{"url_password", "redis://:hunter2@cache:6379", "redis://:[redacted:url_password:1]@cache:6379"},
		{"private_key", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----\nafter", "-----BEGIN RSA PRIVATE KEY-----[redacted:private_key:1]-----END RSA PRIVATE KEY-----\nafter"},
		{"private_key", `{"k":"-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"}`, `{"k":"-----BEGIN PRIVATE KEY-----[redacted:private_key:1]-----END PRIVATE KEY-----\n"}`},
		{"private_key", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn cut", "-----BEGIN OPENSSH PRIVATE KEY-----[redacted:private_key:1]"},
		{"email", "user bob.smith+x@example.co.uk logged in", "user [redacted:email:1] logged in"},
		{"email", "GET /u/bob%40example.com HTTP/1.1", "GET /u/[redacted:email:1] HTTP/1.1"},
		{"email", "<jürgen@müller.de>", "<[redacted:email:1]>"},
		{"card", "card 4111 1111 1111 1111 refused", "card [redacted:card:1] refused"},
		{"card", "card=4111-1111-1111-1111", "card=[redacted:card:1]"},
		{"card", `{"pan":"378282246310005"}`, `{"pan":"[redacted:card:1]"}`},
		{"card", "charged 5555555555554444.", "charged [redacted:card:1]."},
		{"card", "amex 3782 822463 10005", "amex [redacted:card:1]"},
		{"card", "visa 4222222222222, 13 digits", "visa [redacted:card:1], 13 digits"},
	} {
		t.Run(c.kind, func(t *testing.T) {
			r := NewRedactor()
			got, finds := r.Redact(c.in)
			if got != c.want {
				t.Fatalf("Redact(%q)\n got %q\nwant %q", c.in, got, c.want)
			}
			if len(finds) != 1 || finds[0].Kind != c.kind || finds[0].Marker != "[redacted:"+c.kind+":1]" || !strings.HasPrefix(got[finds[0].Offset:], finds[0].Marker) {
				t.Errorf("finds %+v", finds)
			}
			again, more := r.Redact(got)
			if again != got || len(more) != 0 {
				t.Errorf("redacting twice gives %q, %+v", again, more)
			}
		})
	}
}

func TestRedactLeavesAlone(t *testing.T) {
	for _, s := range []string{
		"",
		"10.0.0.9 - - [01/Mar/2026:12:00:07 +0000] \"POST /api/orders HTTP/1.1\" 500 158 rt=0.041 us=502 id=5f0c9ad1e2b34c718d90aa11bb22cc33",
		"x-request-id: 123e4567-e89b-42d3-a456-426614174000",
		"id=41111111-1111-1111-1111-111111111111",            // a UUID of digits
		"trace_id=4111111111111111 span_id=4012888888881881", // decimal IDs that pass the check digit
		`{"dd.trace_id":"4111111111111111"}`,                 //
		"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"ts=1767225607412 ts=1767225607412000 ts=1767225607412000123", // epochs in ms, us, ns
		"4111111111111112 fails the check digit",
		"hash a4111111111111111 4111111111111111f",
		"1-67891233-abcdef012345678912345678",
		"0A000009:A0DC_0A000001:1F90_65E1D0F7_0042:0007",
		"v=4111111111111111.5 is a number",
		"invalid password: must have 8 characters",
		"token: expired", "the token is invalid", "password=*** user=bob", `{"token":null}`, `{"password":""}`, "token=-",
		"max_tokens=4096 tokens=12", "basic authentication failed", "bearer authentication required",
		"Started postgresql@14-main.service", "github.com/x/y@v1.2.3/z.go:17", "node_modules/@scope/lib@1.0.0/index.js",
		"GET http://inventory:9000/stock?sku=1", "user@host connected", "a cookie was set", "cookie: missing",
		"-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
		"monkey=1 key=value keyboard: us", "signal: killed", "pinned=3 spinning: yes",
		"fe orders/app-2 0/0/1/-1/38 502 209 - - SH-- 1/1/0/0/0 0/0",
	} {
		if got, finds := NewRedactor().Redact(s); got != s || len(finds) != 0 {
			t.Errorf("Redact(%q) = %q, %+v", s, got, finds)
		}
	}
}

func TestRedactNumbersEqualSecretsEqually(t *testing.T) {
	r := NewRedactor()
	a, _ := r.Redact("from a@example.com to b@example.com")
	b, _ := r.Redact("again b@example.com, then a@example.com, password=a@example.com")
	if a != "from [redacted:email:1] to [redacted:email:2]" || b != "again [redacted:email:2], then [redacted:email:1], password=[redacted:secret:1]" {
		t.Errorf("%q\n%q", a, b)
	}
}

func TestRedactSparesIDs(t *testing.T) {
	s := "id 4111111111111111, card 5555555555554444, idempotency_token=abc-1"
	got, _ := NewRedactor("4111111111111111", "abc-1").Redact(s)
	if want := "id 4111111111111111, card [redacted:card:1], idempotency_token=abc-1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRedactOverlapsLeaveNothing(t *testing.T) {
	got, _ := NewRedactor().Redact("token=bob@example.com")
	if strings.Contains(got, "bob") || strings.Contains(got, "example") {
		t.Error(got)
	}
	got, _ = NewRedactor().Redact("https://u:pw@x.com/?password=eyJhbGciOiJI.eyJzdWIiOiIx.abcdefgh%21tail&n=1")
	for _, part := range []string{"pw", "eyJ", "tail"} {
		if strings.Contains(got, part) {
			t.Errorf("%q is left in %q", part, got)
		}
	}
}

func TestRedactLongText(t *testing.T) {
	s := strings.Repeat("a", 1<<20) + " password=hunter2 " + strings.Repeat("4", 1<<10)
	if got, finds := NewRedactor().Redact(s); len(finds) != 1 || !strings.Contains(got, "password=[redacted:secret:1] ") {
		t.Errorf("%d finds", len(finds))
	}
}

func TestKindsAreDescribed(t *testing.T) {
	for _, k := range kinds {
		if k.name == "" || k.doc == "" || !marker.MatchString("[redacted:"+k.name+":1]") || k.re.NumSubexp() == 0 {
			t.Errorf("kind %+v", k)
		}
		for _, h := range k.hints {
			if h != strings.ToLower(h) {
				t.Errorf("%s: hint %q is not lower case", k.name, h)
			}
		}
	}
}

func FuzzRedact(f *testing.F) {
	for _, s := range []string{
		"Authorization: Bearer abc123def", "password=x@y.zz&token=[redacted:email:1]q", "-----BEGIN PRIVATE KEY-----", "4111 1111 1111 1111",
		"https://a:b@c.dd/", "Cookie: a=b", "\xff\xfepassword=\xff", `{"password":"a\"`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := NewRedactor()
		once, finds := r.Redact(s)
		twice, more := r.Redact(once)
		if once != twice || len(more) != 0 {
			t.Fatalf("Redact is not idempotent:\n%q\n%q\n%q", s, once, twice)
		}
		other, _ := NewRedactor().Redact(s)
		if other != once {
			t.Fatalf("another redactor gives %q, not %q", other, once)
		}
		for _, x := range finds {
			if !strings.HasPrefix(once[x.Offset:], x.Marker) || !strings.HasPrefix(x.Marker, fmt.Sprintf("[redacted:%s:", x.Kind)) {
				t.Fatalf("find %+v is not at its place in %q", x, once)
			}
		}
	})
}
