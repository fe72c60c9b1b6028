package autoscale

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A painter is a session whose cloud lists images.
type painter struct {
	Cloud
	list func() ([]Image, error)
}

func (p painter) Images(context.Context, string, ImageFilter) ([]Image, error) { return p.list() }

// TestNewestImageIsTaken: no launch before an image is known; each launch takes
// the newest, and its journalled template names it; where the list cannot be
// read any more, a restart takes the image of the newest launch.
func TestNewestImageIsTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(1)
		list, failed := []Image(nil), errors.New("the list is down")
		w.wrap = func(c Cloud) Cloud {
			return painter{c, func() ([]Image, error) {
				w.mu.Lock()
				defer w.mu.Unlock()
				return list, failed
			}}
		}
		set := func(err error, images ...Image) {
			w.mu.Lock()
			defer w.mu.Unlock()
			list, failed = images, err
		}
		conf := web()
		conf.Groups[0].Launch = Template{Images: ImageFilter{Owner: "self", Name: "web-*"}}
		l := w.live(conf)
		time.Sleep(30 * time.Second)
		if v := l.Views()[0]; w.count() != 0 || !strings.Contains(v.Last.Held, "no image is known: the list is down") {
			t.Errorf("without an image: %d instances, held by %q", w.count(), v.Last.Held)
		}
		set(nil, Image{ID: "ami-2", Name: "web-2"}, Image{ID: "ami-1", Name: "web-1"})
		time.Sleep(2 * time.Minute)
		set(nil, Image{ID: "ami-3", Name: "web-3"}, Image{ID: "ami-2", Name: "web-2"})
		time.Sleep(defaultEvery)
		w.setDemand(12)
		time.Sleep(time.Minute)
		l.stop()
		set(errors.New("the list is down"))
		l = w.live(conf)
		time.Sleep(time.Minute)
		w.setDemand(16)
		time.Sleep(time.Minute)
		all, err := l.Images("web")
		if err != nil || all.Chosen != "ami-3" || all.Error != "the list is down" {
			t.Errorf("Images = %+v, %v", all, err)
		}
		l.stop()
		var images []string
		_, entries, _ := OpenJournal(w.store)
		for _, e := range entries {
			if e.Kind == KindLaunch {
				images = append(images, e.Launch.Template.Image)
			}
		}
		if got := strings.Join(images, " "); w.count() != 4 || got != "ami-2 ami-3 ami-3" {
			t.Errorf("%d instances, launched of %s", w.count(), got)
		}
	})
}
