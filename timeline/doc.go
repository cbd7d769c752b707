// Package timeline is the model: events, the keys that tie them, the requests that
// they make up, the clocks that stamped them.
//
// Records of one request lie in the logs of several machines, whose clocks disagree,
// under several IDs or none. [Collect] reads the sources in rounds and makes requests
// of them, since each step needs the one before it:
//
//  1. what is wanted, all other candidates of failure, process lives, and a sample of
//     whole healthy requests;
//  2. the rest of these requests by key: two identity keys on one record are the same
//     request, and so on until no new key appears;
//  3. from all these: which address is which service ([EndpointBook]), and how far the
//     clocks are apart ([ClockModel]); both are learnt from what callers and callees
//     logged of the same calls;
//  4. the requests that failed around the wanted ones, for they compete with them for
//     records without ID; and these records, by what they carry and by corrected time;
//  5. hops, calls and their lineage ([Resolve]).
//
// [TraceOrigin] then follows a failure from the client down to the hop that made it.
// What it means and how sure that is, package rules says.
//
// Raw times are never changed: an event keeps its Time, and where it lies on the common
// time line is an [Instant], an interval with a best guess. Two moments are ordered for
// certain only if their intervals are disjoint.
//
// The package imports nothing but the standard library, and neither files nor network.
package timeline
