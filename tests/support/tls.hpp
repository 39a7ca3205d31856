// TLS for tests: contexts with a certificate made on the spot.
#ifndef EXEUNT_TESTS_SUPPORT_TLS_HPP
#define EXEUNT_TESTS_SUPPORT_TLS_HPP

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/context.hpp>

#include <memory>
#include <stdexcept>
#include <string>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace support {

namespace asio = boost::asio;

template <class T, auto free_with>
using openssl_ptr = std::unique_ptr<T, decltype([](T* owned) { free_with(owned); })>;

inline std::string pem_of(BIO* memory)
{
    char* data = nullptr;
    auto const size = BIO_get_mem_data(memory, &data);
    return {data, static_cast<std::size_t>(size)};
}

// The context of a server that calls itself "localhost".
inline asio::ssl::context make_server_context()
{
    openssl_ptr<EVP_PKEY, EVP_PKEY_free> const key(EVP_EC_gen("P-256"));
    openssl_ptr<X509, X509_free> const certificate(X509_new());
    if (!key || !certificate)
        throw std::runtime_error("no key");
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    X509_set_pubkey(certificate.get(), key.get());
    auto* const name = X509_get_subject_name(certificate.get());
    X509_NAME_add_entry_by_txt(
        name, "CN", MBSTRING_ASC, reinterpret_cast<unsigned char const*>("localhost"), -1, -1, 0);
    X509_set_issuer_name(certificate.get(), name);
    X509_sign(certificate.get(), key.get(), EVP_sha256());

    openssl_ptr<BIO, BIO_free_all> const key_pem(BIO_new(BIO_s_mem()));
    openssl_ptr<BIO, BIO_free_all> const certificate_pem(BIO_new(BIO_s_mem()));
    PEM_write_bio_PrivateKey(key_pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    PEM_write_bio_X509(certificate_pem.get(), certificate.get());

    asio::ssl::context context(asio::ssl::context::tls_server);
    context.use_certificate(asio::buffer(pem_of(certificate_pem.get())), asio::ssl::context::pem);
    context.use_private_key(asio::buffer(pem_of(key_pem.get())), asio::ssl::context::pem);
    return context;
}

inline asio::ssl::context make_client_context()
{
    asio::ssl::context context(asio::ssl::context::tls_client);
    context.set_verify_mode(asio::ssl::verify_none);
    return context;
}

} // namespace support

#endif
