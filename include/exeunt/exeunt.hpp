#ifndef EXEUNT_EXEUNT_HPP
#define EXEUNT_EXEUNT_HPP

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/async_with.hpp>
#include <exeunt/close_options.hpp>
#include <exeunt/closing.hpp>
#include <exeunt/config.hpp>
#include <exeunt/exit_errors.hpp>
#include <exeunt/exit_group.hpp>
#include <exeunt/exit_handle.hpp>
#include <exeunt/exit_handler.hpp>
#include <exeunt/exit_observer.hpp>
#include <exeunt/exit_stack.hpp>
#include <exeunt/exit_state.hpp>
#include <exeunt/log_observer.hpp>
#include <exeunt/on_exit.hpp>
#include <exeunt/pool_options.hpp>
#include <exeunt/progress_observer.hpp>
#include <exeunt/resource_pool.hpp>
#include <exeunt/service.hpp>
#include <exeunt/source_location.hpp>
#include <exeunt/task_scope.hpp>
#include <exeunt/testing.hpp>
#include <exeunt/trace_observer.hpp>

#endif // EXEUNT_EXEUNT_HPP
