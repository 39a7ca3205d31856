#ifndef LEASE_SERVER_CONNECTION_POOL_HPP
#define LEASE_SERVER_CONNECTION_POOL_HPP

#include <exeunt/resource_pool.hpp>

#include "upstream_connection.hpp"

#include <memory>

namespace lease_server {

using connection = std::unique_ptr<upstream_connection>;

class connection_pool : public exeunt::resource_pool<connection>
{
public:
    using exeunt::resource_pool<connection>::resource_pool;
};

} // namespace lease_server

#endif // LEASE_SERVER_CONNECTION_POOL_HPP
