package agent

import (
	"errors"
	"testing"
	"time"

	"rondo/rrd"
)

func encode(b *Batch) []byte {
	out := appendHead(nil, b.Session, b.Seq)
	for i := range b.Portions {
		out = appendFrame(out, framePortion, appendPortion(nil, &b.Portions[i]))
	}
	if len(b.Samples) > 0 {
		out = appendFrame(out, frameSamples, appendSamples(nil, b.Samples))
	}
	if b.Status != nil {
		out = appendFrame(out, frameStatus, b.Status)
	}
	return out
}

func example() *Batch {
	return &Batch{
		Session: "s1", Seq: 7,
		Portions: []Portion{
			{Source: "file", From: 1, To: 1 << 40, Messages: lines("one", "two ÿ")},
			{Source: "gone", Forget: true}, {Source: "file", To: 3, Reset: true, Messages: lines("")},
		},
		Samples: []rrd.Sample{{Key: "load1", Time: rrd.At(time.Now()), Value: -0.5, Type: rrd.Gauge}, {Key: "n", Time: 1, Value: 1e300}},
		Status:  []byte(`{"version":"1"}`),
	}
}

func TestBatch(t *testing.T) {
	want := example()
	got, err := readBatch(string(encode(want)))
	if err != nil {
		t.Fatal(err)
	}
	if string(encode(got)) != string(encode(want)) {
		t.Errorf("%+v is not %+v", got, want)
	}
	p := got.Portions[0]
	if got.messages != 3 || p.Source != "file" || p.From != 1 || p.To != 1<<40 || p.Messages[1].Text != "two ÿ" || p.Messages[1].App != "app" {
		t.Errorf("%+v", got)
	}
	if !got.Portions[1].Forget || !got.Portions[2].Reset || got.Samples[1].Value != 1e300 || got.Samples[0].Key != "load1" {
		t.Errorf("%+v", got)
	}
}

// TestCutShort: no beginning of a batch is taken for something else.
func TestCutShort(t *testing.T) {
	whole := encode(example())
	ends := map[int]bool{} // of frames, where a batch may end
	for i := range len(whole) {
		if b, err := readBatch(string(whole[:i])); err == nil {
			ends[len(b.Portions)+len(b.Samples)] = true
		} else if !errors.Is(err, ErrWire) {
			t.Errorf("%d bytes: %v", i, err)
		}
	}
	if len(ends) != 5 {
		t.Errorf("ends %v, want the head and after four frames", ends)
	}
}

func FuzzBatch(f *testing.F) {
	f.Add(string(encode(example())))
	f.Add(string(encode(&Batch{Session: "x"})))
	f.Add("\x01\x01s\x05P\xff\xff\xff\xff\x0f")
	f.Fuzz(func(t *testing.T, b string) {
		batch, err := readBatch(b)
		if err != nil {
			return
		}
		again, err := readBatch(string(encode(batch)))
		if err != nil {
			t.Fatal(err)
		}
		if len(again.Portions) != len(batch.Portions) || len(again.Samples) != len(batch.Samples) || again.messages != batch.messages {
			t.Fatalf("%+v is not %+v", again, batch)
		}
	})
}
