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
//  3. what bears no ID, or another one, on the same connection or thread (context.go);
//  4. from all these: which address is which service ([EndpointBook]), and how far the
//     clocks are apart ([ClockModel]); both are learnt from what callers and callees
//     logged of the same calls. Where these share no ID, method, path and time tie them (kin.go): which log forwards to
//     which is learnt from like exchanges around some of the failed ones, healthy ones too, then book and clocks once more,
//     and then the other ends of the wanted exchanges are found;
//  5. the requests that failed around the wanted ones, for they compete with them for
//     records without ID; the lives of the processes; and these records, by what they carry and by corrected time
//     (infer.go, death.go, awaited.go);
//  6. hops, calls and their lineage ([Resolve]), and what lies behind a failure ([Behind]).
//
// What was joined so and not by an ID is marked, with the reason and the number of requests that it could as well be of.
//
// [TraceOrigin] then follows a failure from the client down to the hop that made it.
// What it means and how sure that is, package rules says.
//
// Raw times are never changed: an event keeps its Time, and where it lies on the common
// time line is an [Instant], an interval with a best guess. Two moments are ordered for
// certain only if their intervals are disjoint.
//
// # Clocks
//
// No machine's clock is right, and a log stamps by it. What ties two clocks are calls: whatever
// the callee stamped happened after the caller called and before the caller had its answer. So each call
// says that the difference of their clocks lies between two values, which are as far apart as the call was longer
// than the work. One call says little; the tightest bounds of thousands leave little open, and for certain
// (Duda et al., "Estimating global time in distributed systems", 1987). That is how the model is made; each
// step has a file of its own, and they stand in their order in clockFit.solve:
//
//   - A stamp is an interval, never a moment: one truncated to milliseconds says [t, t+1ms), an end less a
//     duration is as vague as both ([Event.Interval]).
//   - Per pair of clocks and stretch of time the tightest links are kept (clock_sample.go), so that memory
//     follows the pairs of hosts and not the requests.
//   - A database logs no calls, but what it logs of an error its callers quote, so that it was written while they were at work
//     (clock_quote.go).
//   - Where a caller's records tell but a moment of each exchange, as common log formats do, it lies within what was passed on, or
//     little beside it: one call does not show that, many do. So a clock is tied that nothing else ties, and it is said (clock_links.go).
//   - Some bounds are false: lines written late, calls that were not waited for, wrong matches. The value
//     that breaks the fewest bounds is asked for, not one that breaks none (Marzullo, "Maintaining the time in a
//     distributed system", 1983; clock_stab.go); it is the majority vote by which NTP finds falsetickers (RFC 5905,
//     section 11.2.1).
//   - A clock runs fast or slow, is set, is slewed. Each is fitted lines that may meet in steps and kinks,
//     best tied hosts first, and where it was stepped the order of the records in their streams says which came
//     before (clock_line.go, clock_step.go).
//   - The intervals of all pairs are closed over the graph of hosts by shortest paths: that A is at most 3 ms
//     ahead of B and B at most 2 ms ahead of C bounds A and C too, and the tightest bound of all chains is the best
//     that can be had at all (Patt-Shamir and Rajsbaum, "A theory of clock synchronization", 1994). It is done at knots in
//     time; between them a clock may wander a little (clock_closure.go).
//   - Inside the interval no point is proven. The likeliest is where requests and answers take the same time
//     at least, taken over all pairs at once, since a way that is longer in one direction on one pair is seldom so
//     on all (clock_delay.go).
//   - At last each request is refined by its own orders: its callees lie within its calls, its exchanges take
//     as long as logged (clock_refine.go), and where a moment lies in what that leaves is weighed by how long calls
//     usually take on the way (clock_weigh.go). This is where a stamp of 1 s becomes about 1 ms.
//
// What is not known is said: a clock that no chain of calls ties from both sides is untied and its records are
// ordered with no other's; hosts whose bounds contradict lines, steps and kinks are widened and flagged; where too much
// contradicts the whole is called weak. fixtures/clocklab measures all this on logs whose true clocks are known.
//
// The package imports nothing but the standard library, and neither files nor network.
package timeline
