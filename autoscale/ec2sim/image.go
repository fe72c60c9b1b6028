package ec2sim

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
)

// An Image is a machine image that DescribeImages lists. One that is not
// listed can be asked for by its ID, and launched, all the same.
type Image struct {
	ID      string            `json:"id"` // default: a new one
	Name    string            `json:"name"`
	Owner   string            `json:"owner,omitempty"` // account; default: the emulated one
	Arch    string            `json:"arch,omitempty"`  // default x86_64
	State   string            `json:"state,omitempty"` // default available
	Created time.Time         `json:"created"`         // default now
	Tags    map[string]string `json:"tags,omitempty"`
}

// amazon is the account that owns Amazon's images.
const amazon = "137112412989"

// maxImages bounds how many images are listed.
const maxImages = 10_000

// standardImages are there from the start.
func standardImages() []Image {
	image := func(n int, name, arch, owner string, created time.Time) Image {
		return Image{ID: fmt.Sprintf("ami-%017x", n), Name: name, Owner: owner, Arch: arch, State: "available", Created: created}
	}
	day := func(month time.Month, d int) time.Time { return time.Date(2026, month, d, 7, 30, 0, 0, time.UTC) }
	return []Image{
		image(1, "al2023-ami-2023.9.20260105.0-kernel-6.12-x86_64", "x86_64", amazon, day(time.January, 5)),
		image(2, "al2023-ami-2023.9.20260202.0-kernel-6.12-x86_64", "x86_64", amazon, day(time.February, 2)),
		image(3, "al2023-ami-2023.9.20260202.0-kernel-6.12-arm64", "arm64", amazon, day(time.February, 2)),
	}
}

// AddImage lists an image.
func (s *Sim) AddImage(i Image) error {
	i.ID, i.Owner, i.Arch = cmp.Or(i.ID, newID("ami-")), cmp.Or(i.Owner, owner), cmp.Or(i.Arch, "x86_64")
	i.State = cmp.Or(i.State, "available")
	if i.Created.IsZero() {
		i.Created = time.Now()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i.Name == "" || !strings.HasPrefix(i.ID, "ami-") || len(s.images) >= maxImages {
		return errors.New("ec2sim: image: want a name, an id that begins with ami-, and fewer than 10,000 others")
	}
	s.images = append(s.images, i)
	return nil
}

// field returns what a filter of that name looks at.
func (i Image) field(name string) ([]string, bool) {
	switch name {
	case "image-id":
		return []string{i.ID}, true
	case "name":
		return []string{i.Name}, true
	case "owner-id":
		return []string{i.Owner}, true
	case "owner-alias":
		return present("amazon", i.Owner == amazon), true
	case "architecture":
		return []string{i.Arch}, true
	case "state":
		return []string{i.State}, true
	case "creation-date":
		return []string{timestamp(i.Created)}, true
	case "root-device-type":
		return []string{"ebs"}, true
	case "virtualization-type":
		return []string{"hvm"}, true
	case "image-type":
		return []string{"machine"}, true
	case "is-public":
		return []string{fmt.Sprint(i.Owner == amazon)}, true
	case "tag-key":
		return keys(i.Tags), true
	}
	return tagField(i.Tags, name)
}

// of says whether an image belongs to one of the owners; to all of them where
// none is named.
func (i Image) of(owners []string) bool {
	for _, o := range owners {
		if o == i.Owner || o == "self" && i.Owner == owner || o == "amazon" && i.Owner == amazon {
			return true
		}
	}
	return len(owners) == 0
}

// describeImages lists images by ID, owner and filters.
func (s *Sim) describeImages(p params, now time.Time) (any, *apiError) {
	ids, owners, fs := p.list("ImageId"), p.list("Owner"), p.filters()
	if err := check(fs, Image{}.field); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.images
	for _, id := range ids {
		if !strings.HasPrefix(id, "ami-") {
			return nil, apiErrorf("InvalidAMIID.Malformed", "Invalid id: %q (expecting \"ami-...\")", id)
		}
		if !s.listed(id) {
			all = append(all[:len(all):len(all)], Image{ID: id, Name: id, Owner: owner, Arch: "x86_64", State: "available", Created: now})
		}
	}
	out := new(imagesResult)
	for _, i := range all {
		if (len(ids) == 0 || contains(ids, i.ID)) && i.of(owners) && matches(fs, i.field) {
			out.Items = append(out.Items, imageItemOf(i))
		}
	}
	return out, nil
}

func (s *Sim) listed(id string) bool {
	for _, i := range s.images {
		if i.ID == id {
			return true
		}
	}
	return false
}

type imageItem struct {
	ID       string    `xml:"imageId"`
	Location string    `xml:"imageLocation"`
	State    string    `xml:"imageState"`
	Owner    string    `xml:"imageOwnerId"`
	Alias    string    `xml:"imageOwnerAlias,omitempty"`
	Created  string    `xml:"creationDate"`
	Public   bool      `xml:"isPublic"`
	Arch     string    `xml:"architecture"`
	Kind     string    `xml:"imageType"`
	Name     string    `xml:"name"`
	Root     string    `xml:"rootDeviceType"`
	Virt     string    `xml:"virtualizationType"`
	Tags     []tagItem `xml:"tagSet>item"`
}

func imageItemOf(i Image) imageItem {
	out := imageItem{
		ID: i.ID, Location: i.Owner + "/" + i.Name, State: i.State, Owner: i.Owner, Created: timestamp(i.Created), Arch: i.Arch,
		Kind: "machine", Name: i.Name, Root: "ebs", Virt: "hvm", Tags: sortedTags(i.Tags),
	}
	if i.Owner == amazon {
		out.Alias, out.Public = "amazon", true
	}
	return out
}

type imagesResult struct {
	meta
	Items []imageItem `xml:"imagesSet>item"`
}
