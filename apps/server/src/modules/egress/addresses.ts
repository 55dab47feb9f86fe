/*
 * Which addresses a sandbox may be connected to: public unicast, nothing else.
 *
 * IPv4 is a list of what is not public (IANA special-purpose registry). IPv6 is the other way round: only 2000::/3
 * without the parts that tunnel to or stand for something else, so IPv4-mapped (::ffff:0:0/96), NAT64 (64:ff9b::/96),
 * unique local, link-local and multicast addresses are refused without being named.
 */
import { BlockList, isIPv4, isIPv6 } from "node:net";

const NOT_PUBLIC_V4: [string, number][] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10], // carrier-grade NAT, also where some clouds keep services
  ["127.0.0.0", 8],
  ["169.254.0.0", 16], // link-local, with the metadata services
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
  // Public by number, but metadata and platform services of Azure and Alibaba answer there.
  ["168.63.129.16", 32],
];
const GLOBAL_V6: [string, number] = ["2000::", 3];
const NOT_PUBLIC_V6: [string, number][] = [
  ["2001::", 23], // Teredo, ORCHID, benchmarking
  ["2001:db8::", 32],
  ["2002::", 16], // 6to4 carries an IPv4 address that nobody checked
  ["3fff::", 20],
];

const refusedV4 = new BlockList();
for (const [net, prefix] of NOT_PUBLIC_V4) refusedV4.addSubnet(net, prefix, "ipv4");
const globalV6 = new BlockList();
globalV6.addSubnet(...GLOBAL_V6, "ipv6");
const refusedV6 = new BlockList();
for (const [net, prefix] of NOT_PUBLIC_V6) refusedV6.addSubnet(net, prefix, "ipv6");

export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !refusedV4.check(address, "ipv4");
  if (isIPv6(address)) return globalV6.check(address, "ipv6") && !refusedV6.check(address, "ipv6");
  return false;
}
