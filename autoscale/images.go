package autoscale

import (
	"context"
	"fmt"
	"time"
)

// An ImageFilter chooses the newest of the images of an owner by their name, in
// place of a fixed one. Without an owner anybody's image of that name would do,
// so that one is wanted.
type ImageFilter struct {
	Owner string        `yaml:"owner" json:"owner,omitempty"` // an account, self, amazon
	Name  string        `yaml:"name" json:"name,omitempty"`   // with * and ?
	Arch  string        `yaml:"arch" json:"arch,omitempty"`   // x86_64 or arm64; default any
	Every time.Duration `yaml:"every" json:"every,omitempty"` // how often the list is read; default 10m
}

// IsSet says whether images are chosen at all.
func (f ImageFilter) IsSet() bool { return f != ImageFilter{} }

func (f ImageFilter) validate(t Template, check func(bool, string, ...any)) {
	if !f.IsSet() {
		return
	}
	check(t.Image == "", "launch: image and images exclude each other")
	check(f.Owner != "" && f.Name != "", "launch.images: owner and name are wanted: of anybody's images of that name none can be trusted")
	check(f.Arch == "" || f.Arch == "x86_64" || f.Arch == "arm64", "launch.images.arch %q: want x86_64 or arm64", f.Arch)
	check(f.Every == 0 || f.Every >= time.Minute, "launch.images.every %v: want 1m or more", f.Every)
}

// An Image that instances can be launched of.
type Image struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Owner   string    `json:"owner,omitempty"`
	Created time.Time `json:"created"`
}

// An ImageFinder is a [Cloud] that can list images.
type ImageFinder interface {
	// Images returns those that pass the filter and can be launched, the newest
	// first.
	Images(ctx context.Context, group string, f ImageFilter) ([]Image, error)
}

// Images are a group's images as they were found last.
type Images struct {
	Filter ImageFilter `json:"filter,omitzero"`
	Chosen string      `json:"chosen"` // what the next launch takes; "" where none is known, or the launch template says
	Found  []Image     `json:"found"`
	At     time.Time   `json:"at,omitzero"` // when the list was asked for
	Error  string      `json:"error,omitempty"`
}

const (
	defaultEvery  = 10 * time.Minute
	imagesTimeout = 30 * time.Second
	imagesAgain   = time.Minute // after a failure
	imagesShown   = 50
)

// gallery is what a group knows of images.
type gallery struct {
	Images
	asking bool
}

// lookImages reads the list of images when it is due, beside the ticks. A list
// that cannot be read leaves the one before. Callers hold g.mu.
func (g *group) lookImages(ctx context.Context, now time.Time) {
	f := g.Launch.Images
	every := f.Every
	if every == 0 {
		every = defaultEvery
	}
	if g.images.Error != "" {
		every = min(every, imagesAgain)
	}
	if !f.IsSet() || g.images.asking || now.Sub(g.images.At) < every {
		return
	}
	finder, ok := g.cloud.(ImageFinder)
	if !ok {
		g.images.Error = "this group's cloud lists no images"
		return
	}
	g.images.asking, g.images.At = true, now
	g.calls.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, imagesTimeout)
		defer cancel()
		found, err := finder.Images(ctx, g.Name, f)
		if err == nil && len(found) == 0 {
			err = fmt.Errorf("no image of owner %s has the name %s", f.Owner, f.Name)
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.foundImages(found, err)
		g.poke()
	})
}

// foundImages takes over a list, or why there is none. Callers hold g.mu.
func (g *group) foundImages(found []Image, err error) {
	g.images.asking = false
	if err != nil {
		if g.images.Error == "" {
			g.log.Warn("cannot choose an image", "err", err)
		}
		g.images.Error = fmt.Sprintf("%.*s", maxTrouble, err.Error())
		return
	}
	if g.images.Chosen != found[0].ID {
		g.log.Info("image chosen", "image", found[0].ID, "name", found[0].Name, "of", len(found))
	}
	g.images.Error, g.images.Chosen = "", found[0].ID
	g.images.Found = found[:min(len(found), imagesShown)]
}

// image is what the next launch takes, and why: the newest of the list, or
// while no list could be read that of the newest launch. Callers hold g.mu.
func (g *group) image() (id, why string) {
	switch {
	case !g.Launch.Images.IsSet():
		return g.Launch.Image, ""
	case g.images.Chosen != "":
		return g.images.Chosen, fmt.Sprintf("%s (%s) is the newest of %d images", g.images.Chosen, g.images.Found[0].Name, len(g.images.Found))
	case g.images.Error != "" && g.memory.Image != "":
		return g.memory.Image, fmt.Sprintf("%s as the newest launch, for the images cannot be listed: %s", g.memory.Image, g.images.Error)
	}
	return "", ""
}

// holdImage keeps from launching while no image is known.
func (g *group) holdImage() []Guard {
	if !g.Launch.Images.IsSet() {
		return nil
	}
	id, why := g.image()
	if r := g.memory.Refresh; r.active() && g.template().Image != "" {
		id, why = g.template().Image, "that of the refresh"
	}
	switch {
	case id != "":
		return []Guard{passed("image", "%s", why)}
	case g.images.Error != "":
		return []Guard{blocked("image", "no image is known: %s", g.images.Error)}
	}
	return []Guard{blocked("image", "no image is known yet, the list is being read")}
}

// Images returns a group's images as they were found last.
func (c *Controller) Images(name string) (Images, error) {
	g, err := c.group(name)
	if err != nil {
		return Images{}, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	out := g.images.Images
	out.Filter, out.Found = g.Launch.Images, append([]Image{}, out.Found...)
	out.Chosen, _ = g.image()
	return out, nil
}
