package format

import "testing"

// TestGRPCCode says how gRPC statuses are written.
func TestGRPCCode(t *testing.T) {
	for in, want := range map[string]int{
		"0": 0, "OK": 0, "14": 14, "Unavailable": 14, "UNAVAILABLE": 14, "DeadlineExceeded": 4, "DEADLINE_EXCEEDED": 4,
		"CANCELLED": 1, "Canceled": 1, "Unauthenticated": 16, "17": -1, "-": -1, "-1": -1, "503": -1, "": -1,
	} {
		got, ok := grpcCode(in)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q is %d, want %d", in, got, want)
		}
	}
}
