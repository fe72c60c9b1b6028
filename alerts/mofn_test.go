package alerts

import (
	"strings"
	"testing"
	"time"
)

// awsRows are the examples of "Configuring how CloudWatch alarms treat missing
// data" in the CloudWatch user guide: N is 3, the evaluation range 5.
// 0 is a good data point, X a bad one, - a missing one, the newest last.
const awsRows = `
M  points     missing            ignore  breaching  notBreaching
3  0 - X - X  OK                 OK      OK         OK
3  0 - - - -  OK                 OK      OK         OK
3  - - - - -  INSUFFICIENT_DATA  RETAIN  ALARM      OK
3  0 X X - X  ALARM              ALARM   ALARM      ALARM
3  - - X - -  ALARM              RETAIN  ALARM      OK
2  0 - X - X  ALARM              ALARM   ALARM      ALARM
2  0 0 X 0 X  ALARM              ALARM   ALARM      ALARM
2  0 - X - -  OK                 OK      ALARM      OK
2  - - - - 0  OK                 OK      ALARM      OK
2  - - - X -  ALARM              RETAIN  ALARM      OK
`

var treatments = map[string]Missing{
	"missing": MissingUnknown, "ignore": MissingKeep, "breaching": MissingRaise, "notBreaching": MissingOK,
}

// oracle says what an alarm becomes, in the words of that page. NOT_ALARM is
// where the page says only that.
func oracle(window, treatment string, m, n int) string {
	existing := strings.ReplaceAll(window, "-", "")
	if len(existing) >= n {
		return judged(existing[len(existing)-n:], m)
	}
	fill := n - len(existing)
	switch treatment {
	case "breaching":
		return judged(existing+strings.Repeat("X", fill), m)
	case "notBreaching":
		return judged(existing+strings.Repeat("0", fill), m)
	}
	switch {
	case strings.Count(existing, "X") >= m:
		return "ALARM"
	case strings.Contains(existing, "0"):
		return "OK"
	case treatment == "ignore":
		return "RETAIN"
	case existing == "":
		return "INSUFFICIENT_DATA"
	}
	// "The oldest breaching data point is at least as old as the value of
	// Datapoints to Alarm, and all of the more recent data points are either
	// breaching or missing."
	if age := len(window) - strings.Index(window, "X"); age >= m {
		return "ALARM"
	}
	return "NOT_ALARM"
}

func judged(points string, m int) string {
	if strings.Count(points, "X") >= m {
		return "ALARM"
	}
	return "OK"
}

func TestOracle(t *testing.T) {
	rows := strings.Split(strings.TrimSpace(awsRows), "\n")
	head := strings.Fields(rows[0])[2:]
	for _, row := range rows[1:] {
		f := strings.Fields(row)
		m, window := int(f[0][0]-'0'), strings.Join(f[1:6], "")
		for i, treatment := range head {
			if got := oracle(window, treatment, m, 3); got != f[6+i] {
				t.Errorf("%d of 3, %s, %s: %s, the page says %s", m, window, treatment, got, f[6+i])
			}
		}
	}
}

// TestOf walks all histories that fill an evaluation range, for all M of N up
// to 6, and holds the state after each reading against the oracle.
func TestOf(t *testing.T) {
	for name, missing := range treatments {
		for n := 1; n <= 6; n++ {
			for m := 1; m <= n; m++ {
				w := walk{t, name, Policy{Rule: "r", Critical: &Threshold{5, 5}, Of: Of{m, n}, Missing: missing}}
				w.step(State{}, strings.Repeat("-", n+ofBeyond), n+ofBeyond)
			}
		}
	}
}

type walk struct {
	t         *testing.T
	treatment string
	p         Policy
}

func (w walk) step(before State, window string, left int) {
	if left == 0 || w.t.Failed() {
		return
	}
	for _, point := range []string{"0", "X", "-"} {
		s, _ := Step(w.p, before, Reading{Missing: point == "-", Value: float64(strings.Index("0......X", point))}, epoch.Add(time.Duration(100-left)*time.Second))
		next := window[1:] + point
		want := OK
		switch said := oracle(next, w.treatment, w.p.Of.M, w.p.Of.N); {
		case said == "ALARM":
			want = Critical
		case said == "INSUFFICIENT_DATA":
			want = Unknown
		case said == "RETAIN":
			want = before.Hard
		case said == "NOT_ALARM" && before.level(Critical).Active:
			want = Critical // it is not raised, and goes on
		}
		if s.Hard != want {
			w.t.Errorf("%v, %s, %s: %v, want %v", w.p.Of, next, w.treatment, s.Hard, want)
		}
		w.step(s, next, left-1)
	}
}

func TestOfText(t *testing.T) {
	for text, want := range map[string]string{
		"3/5": "", " 1 / 1 ": "", "30/30": "", "3": "want M/N", "a/b": "want M/N", "0/5": "M <= N", "6/5": "M <= N", "1/31": "N <= 30",
	} {
		var o Of
		err := o.UnmarshalText([]byte(text))
		if err == nil {
			err = o.validate()
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
