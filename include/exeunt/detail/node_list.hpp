#ifndef EXEUNT_DETAIL_NODE_LIST_HPP
#define EXEUNT_DETAIL_NODE_LIST_HPP

#include <cstddef>

namespace exeunt::detail {

// Nodes with `previous` and `next`.
template <class Node>
class node_list
{
public:
    bool empty() const noexcept { return first_ == nullptr; }
    Node* first() const noexcept { return first_; }
    Node* last() const noexcept { return last_; }

    void push_back(Node& node) noexcept
    {
        node.previous = last_;
        node.next = nullptr;
        (last_ ? last_->next : first_) = &node;
        last_ = &node;
        ++size_;
    }

    void remove(Node& node) noexcept
    {
        (node.previous ? node.previous->next : first_) = node.next;
        (node.next ? node.next->previous : last_) = node.previous;
        --size_;
    }

    Node* pop_front() noexcept
    {
        Node* node = first_;
        if (node)
            remove(*node);
        return node;
    }

    std::size_t size() const noexcept { return size_; }

private:
    Node* first_ = nullptr;
    Node* last_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_NODE_LIST_HPP
