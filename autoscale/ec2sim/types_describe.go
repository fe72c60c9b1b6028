package ec2sim

import (
	"fmt"
	"time"
)

type typeItem struct {
	Name    string   `xml:"instanceType"`
	Current bool     `xml:"currentGeneration"`
	Usage   []string `xml:"supportedUsageClasses>item"`
	Arch    []string `xml:"processorInfo>supportedArchitectures>item"`
	CPUs    int      `xml:"vCpuInfo>defaultVCpus"`
	Memory  int      `xml:"memoryInfo>sizeInMiB"`
}

func (k kind) field(name string) ([]string, bool) {
	switch name {
	case "instance-type":
		return []string{k.name}, true
	case "processor-info.supported-architecture":
		return []string{k.arch}, true
	case "vcpu-info.default-vcpus":
		return []string{fmt.Sprint(k.cpus)}, true
	case "memory-info.size-in-mib":
		return []string{fmt.Sprint(k.memory)}, true
	case "current-generation":
		return []string{fmt.Sprint(k.name != "m1.small")}, true
	}
	return nil, false
}

type typesResult struct {
	meta
	Items []typeItem `xml:"instanceTypeSet>item"`
}

func (s *Sim) describeTypes(p params, _ time.Time) (any, *apiError) {
	names, fs := p.list("InstanceType"), p.filters()
	if err := check(fs, kind{}.field); err != nil {
		return nil, err
	}
	for _, name := range names {
		if _, ok := findKind(name); !ok {
			return nil, apiErrorf("InvalidInstanceType", "The following supplied instance types do not exist: [%s]", name)
		}
	}
	out := new(typesResult)
	for _, k := range kinds() {
		if (len(names) == 0 || contains(names, k.name)) && matches(fs, k.field) {
			out.Items = append(out.Items, typeItem{k.name, k.name != "m1.small", []string{"on-demand", "spot"}, []string{k.arch}, k.cpus, k.memory})
		}
	}
	return out, nil
}

type offeringItem struct {
	Type string `xml:"instanceType"`
	Kind string `xml:"locationType"`
	At   string `xml:"location"`
}

func (i offeringItem) field(name string) ([]string, bool) {
	switch name {
	case "instance-type":
		return []string{i.Type}, true
	case "location":
		return []string{i.At}, true
	}
	return nil, false
}

type offeringsResult struct {
	meta
	Items []offeringItem `xml:"instanceTypeOfferingSet>item"`
}

// describeOfferings says which types there are in which zone, or in the region.
func (s *Sim) describeOfferings(p params, _ time.Time) (any, *apiError) {
	fs := p.filters()
	if err := check(fs, offeringItem{}.field); err != nil {
		return nil, err
	}
	out := new(offeringsResult)
	for _, k := range kinds() {
		items := []offeringItem{{k.name, "region", s.opt.Region}}
		if p.get("LocationType") == "availability-zone" {
			items = items[:0]
			for _, zone := range s.zones() {
				if k.in(s.zones(), zone) {
					items = append(items, offeringItem{k.name, "availability-zone", zone})
				}
			}
		}
		for _, item := range items {
			if matches(fs, item.field) {
				out.Items = append(out.Items, item)
			}
		}
	}
	return out, nil
}

type priceItem struct {
	Zone    string `xml:"availabilityZone"`
	Type    string `xml:"instanceType"`
	Product string `xml:"productDescription"`
	Price   string `xml:"spotPrice"`
	At      string `xml:"timestamp"`
}

func (i priceItem) field(name string) ([]string, bool) {
	switch name {
	case "availability-zone":
		return []string{i.Zone}, true
	case "instance-type":
		return []string{i.Type}, true
	case "product-description":
		return []string{i.Product}, true
	}
	return nil, false
}

type pricesResult struct {
	meta
	Items []priceItem `xml:"spotPriceHistorySet>item"`
}

// describeSpotPrices lists one price for each type and zone: a third of the
// price on demand, and a little more from zone to zone.
func (s *Sim) describeSpotPrices(p params, now time.Time) (any, *apiError) {
	names, fs := p.list("InstanceType"), p.filters()
	if err := check(fs, priceItem{}.field); err != nil {
		return nil, err
	}
	out := new(pricesResult)
	for _, k := range kinds() {
		for n, zone := range s.zones() {
			price := k.price * (0.33 + 0.02*float64(n))
			item := priceItem{zone, k.name, "Linux/UNIX", fmt.Sprintf("%.6f", price), timestamp(now.Truncate(time.Hour))}
			if (len(names) == 0 || contains(names, k.name)) && k.in(s.zones(), zone) && matches(fs, item.field) {
				out.Items = append(out.Items, item)
			}
		}
	}
	return out, nil
}
