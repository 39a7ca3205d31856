#ifndef EXEUNT_SRC_HPP
#define EXEUNT_SRC_HPP

// The bodies of all functions that need no template. Include this in one source file of a program
// that is built with EXEUNT_SEPARATE_COMPILATION; the target exeunt::compiled does it.

#include <exeunt/exeunt.hpp>
#include <exeunt/impl/arena.ipp>
#include <exeunt/impl/event_text.ipp>
#include <exeunt/impl/exit_errors.ipp>
#include <exeunt/impl/exit_list.ipp>
#include <exeunt/impl/exit_observer.ipp>
#include <exeunt/impl/exit_stack.ipp>
#include <exeunt/impl/exit_state.ipp>
#include <exeunt/impl/log_observer.ipp>
#include <exeunt/impl/observation.ipp>
#include <exeunt/impl/progress_observer.ipp>
#include <exeunt/impl/run_exits.ipp>
#include <exeunt/impl/service.ipp>
#include <exeunt/impl/trace_observer.ipp>

#endif // EXEUNT_SRC_HPP
