#include <exeunt/src.hpp>
