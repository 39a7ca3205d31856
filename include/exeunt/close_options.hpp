#ifndef EXEUNT_CLOSE_OPTIONS_HPP
#define EXEUNT_CLOSE_OPTIONS_HPP

#include <exeunt/exit_observer.hpp>

namespace exeunt {

/// How a stack closes.
struct close_options
{
    /// Of several failures the primary alone comes out, unwrapped, so that its type still matches a
    /// `catch`; the others go to the observer.
    bool primary_only = false;

    /// Who hears of what no caller is told; null: the default observer. Outlives the execution
    /// context.
    exit_observer* observer = nullptr;
};

} // namespace exeunt

#endif // EXEUNT_CLOSE_OPTIONS_HPP
