package ec2sim

import (
	"testing"
	"time"
)

// TestElasticIP: an address moves from one instance to another, and comes free
// when the instance that has it is terminated.
func TestElasticIP(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	f := wants(t, s, version)
	is, err := s.Launch(2, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, b := "InstanceId="+is[0].ID, "InstanceId="+is[1].ID
	id := "AllocationId=" + inside(f("AllocateAddress", "Domain=vpc", "<publicIp>203.0.113.1</publicIp>"), "allocationId")[0]
	f("AssociateAddress", id+" "+a, "<Code>InvalidInstanceID</Code>", "pending instance")
	s.advance(is[0].Launched.Add(time.Minute), func(Instance) {})
	f("DescribeInstances", "InstanceId.1="+is[0].ID, "<ipAddress>198.18.1.4</ipAddress>", "<dnsName>ec2-198-18-1-4.compute-1.amazonaws.com</dnsName>")
	f("AssociateAddress", id+" "+a, "<return>true</return>", "<associationId>eipassoc-")
	f("DescribeInstances", "InstanceId.1="+is[0].ID, "<ipAddress>203.0.113.1</ipAddress>")
	f("AssociateAddress", id+" "+b, "<Code>Resource.AlreadyAssociated</Code>")
	f("AssociateAddress", id+" "+b+" AllowReassociation=true", "<return>true</return>")
	f("DescribeInstances", "InstanceId.1="+is[0].ID, "<ipAddress>198.18.1.4</ipAddress>")
	f("DescribeAddresses", "Filter.1.Name=instance-id Filter.1.Value.1="+is[1].ID, "<instanceId>"+is[1].ID, "<privateIpAddress>10.0.1.5</privateIpAddress>")
	f("ReleaseAddress", id, "<Code>InvalidIPAddress.InUse</Code>")
	s.Terminate("Client.UserInitiatedShutdown", is[1].ID)
	s.advance(time.Now().Add(time.Minute), func(Instance) {})
	f("DescribeAddresses", "", "<publicIp>203.0.113.1</publicIp>", "!<instanceId>")
	f("AssociateAddress", id+" "+a, "<return>true</return>")
	association := inside(f("DescribeAddresses", ""), "associationId")[0]
	f("DisassociateAddress", "AssociationId="+association, "<return>true</return>")
	f("DisassociateAddress", "AssociationId="+association, "<Code>InvalidAssociationID.NotFound</Code>")
	f("ReleaseAddress", id, "<return>true</return>")
	f("DescribeAddresses", "AllocationId.1=eipalloc-0", "<Code>InvalidAllocationID.NotFound</Code>")
	for range maxElasticIPs {
		f("AllocateAddress", "", "<allocationId>")
	}
	f("AllocateAddress", "", "<Code>AddressLimitExceeded</Code>")
}

func TestAWSCommandLineElasticIP(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	aws := awsCommand(t, s)
	is, _ := s.Launch(1, nil)
	s.advance(is[0].Launched.Add(time.Minute), func(Instance) {})
	id := aws("ec2", "allocate-address", "--domain", "vpc", "--tag-specifications", "ResourceType=elastic-ip,Tags=[{Key=Name,Value=db}]", "--query", "AllocationId")
	if got := aws("ec2", "associate-address", "--allocation-id", id, "--instance-id", is[0].ID, "--allow-reassociation", "--query", "length(AssociationId)"); got != "26" {
		t.Errorf("associate-address: %s", got)
	}
	if got := aws("ec2", "describe-addresses", "--filters", "Name=tag:Name,Values=db", "--query", "Addresses[].[PublicIp,InstanceId,Tags[0].Value]"); got != "203.0.113.1\t"+is[0].ID+"\tdb" {
		t.Errorf("describe-addresses: %s", got)
	}
}
