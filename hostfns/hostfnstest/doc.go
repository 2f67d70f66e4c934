// Package hostfnstest is the contract that every group of host functions
// keeps: Run holds a group to it, by calls of its methods and through a real
// guest in the sandbox. Only tests import it.
//
// A script of calls is logged as the guest sees it, and the log is what the
// test expects:
//
//	==> kv.put(key="a",value="1")
//	<== ok
//	==> kv.get(key="a")
//	<== found=true,value="1"
package hostfnstest
