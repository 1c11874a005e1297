/**
 * Preloaded by the unit (node --import), which shuts AF_NETLINK: the kernel's list of network interfaces cannot be read
 * there, and os.networkInterfaces() throws. node-ipc calls it when it is loaded, to choose between IPv4 and IPv6 for a
 * transport that pgcached does not use; with an empty list it goes on. Nothing else in pgcached asks.
 */
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';

const { networkInterfaces } = os;

os.networkInterfaces = () => {
  try {
    return networkInterfaces();
  } catch (error) {
    if (error?.code === 'ERR_SYSTEM_ERROR') return {};
    throw error;
  }
};
// For those who import the function by its name.
syncBuiltinESMExports();
