// SPDX-License-Identifier: MIT OR Apache-2.0
// A small player on Qt D-Bus, with code that qdbusxml2cpp makes of tokend's interface: gets headers,
// calls an API with them, and calls it again when there is a new token. ../README.md says what it
// prints. Nothing but the reading of a property, which tokend answers from memory, blocks.
#include <QtCore/QCoreApplication>
#include <QtCore/QDateTime>
#include <QtCore/QJsonDocument>
#include <QtCore/QJsonObject>
#include <QtCore/QTextStream>
#include <QtCore/QTimer>
#include <QtDBus/QDBusMetaType>
#include <QtDBus/QDBusServiceWatcher>
#include <QtNetwork/QNetworkAccessManager>
#include <QtNetwork/QNetworkReply>
#include <QtNetwork/QSslCertificate>
#include <QtNetwork/QSslConfiguration>

#include "tokend.h"

using namespace std::chrono_literals;
using Headers = QMap<QString, QString>;

static const QString TOKEND = "tv.tokend";

static void say(const QString &line) { QTextStream(stdout) << line << Qt::endl; }

static QString wordsOf(const QString &error) {
    static const Headers words = {
        {"tv.tokend.Error.Rejected", "not available"},
        {"tv.tokend.Error.Unavailable", "no token now"},
        {"tv.tokend.Error.Throttled", "patience"},
        {"tv.tokend.Error.Storage", "this device's secure storage does not work"},
        {"org.freedesktop.DBus.Error.AccessDenied", "this user may not have this token"},
        {"org.freedesktop.DBus.Error.UnknownObject", "no such application"},
        {"org.freedesktop.DBus.Error.ServiceUnknown", "tokend is not there"},
        {"org.freedesktop.DBus.Error.NoReply", "tokend does not answer"},
    };
    return words.value(error, error);
}

class Player : public QObject {
    Q_OBJECT

public:
    Player(const QString &application, const QUrl &url)
        : m_bus(QDBusConnection::systemBus()),
          m_tokend(TOKEND, "/tv/tokend/application/" + application, m_bus),
          m_owner(TOKEND, m_bus), m_url(url) {
        // tokend may wait 20 s for the server before it answers.
        m_tokend.setTimeout(30000);
        m_retry.setSingleShot(true);
        connect(&m_retry, &QTimer::timeout, this, &Player::callApi);
        connect(&m_owner, &QDBusServiceWatcher::serviceUnregistered, this, [this] {
            say("tokend has left the bus");
            m_gone = true;
        });
        connect(&m_owner, &QDBusServiceWatcher::serviceRegistered, this, [this] {
            m_back = m_gone;
            m_gone = false;
            look();
        });
        m_bus.connect(TOKEND, m_tokend.path(), "org.freedesktop.DBus.Properties",
                      "PropertiesChanged", this, SLOT(look()));
        m_bus.connect({}, "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                      "Disconnected", this, SLOT(leave()));
    }

public slots:
    void callApi() {
        m_retry.stop();
        m_busy = true;
        m_replaced = false;
        getHeaders();
    }

private slots:
    // Is there a reason to call the API again? Which property has changed, and whether its value
    // came along or was only invalidated, makes no difference: the number is read.
    void look() {
        if (m_busy) return;
        const bool back = std::exchange(m_back, false);
        const qulonglong number = m_gone ? 0 : m_tokend.tokenNumber();
        if (back)
            say("tokend is there: calling again");
        else if (number != 0 && number != m_used)
            say(QString("token number %1 is there: calling again").arg(number));
        else
            return;
        callApi();
    }

    void leave() {
        say("the bus is gone");
        QCoreApplication::exit(EXIT_FAILURE);
    }

private:
    void getHeaders() {
        // Good for another 60 s: longer than the call can take.
        after(m_tokend.GetHeaders(60), [this](const QDBusPendingReply<Headers, uint> &reply) {
            say(QString("tokend gives headers, good for %1 s").arg(reply.argumentAt<1>()));
            // Read after the headers: a change that they bring along is none to wait for.
            m_used = m_tokend.tokenNumber();
            m_gone = false;
            get(reply.argumentAt<0>());
        });
    }

    void get(const Headers &headers) {
        QNetworkRequest request(m_url);
        for (auto header = headers.begin(); header != headers.end(); ++header)
            request.setRawHeader(header.key().toUtf8(), header.value().toUtf8());
        // Qt would take the token along, to whichever host.
        request.setAttribute(QNetworkRequest::RedirectPolicyAttribute,
                             QNetworkRequest::ManualRedirectPolicy);
        request.setTransferTimeout(30000);
        QNetworkReply *reply = m_network.get(request);
        connect(reply, &QNetworkReply::finished, this, [this, reply, headers] {
            reply->deleteLater();
            const int status =
                reply->attribute(QNetworkRequest::HttpStatusCodeAttribute).toInt();
            const QByteArray body = reply->readAll();
            const QString code = QJsonDocument::fromJson(body).object().value("code").toString();
            if (status == 401 && !m_replaced)
                return replaceToken(headers.value("Authorization"), code);
            if (status == 401)
                say(QString("401 %1 again: that is not the token's fault").arg(code));
            else if (status == 0)
                say("the API cannot be reached: " + reply->errorString());
            else
                say(QString::number(status) + ' ' + QString::fromUtf8(body));
            wait();
        });
    }

    void replaceToken(QString refused, const QString &code) {
        say(QString("401 %1: asking tokend to replace the token, once").arg(code));
        m_replaced = true;
        refused.remove("Bearer ");
        // The new token comes with the new headers: it is not wanted here.
        after(m_tokend.ReplaceToken(refused, code),
              [this](const QDBusPendingReply<QString, uint> &) { getHeaders(); });
    }

    template <typename Reply, typename Then> void after(Reply reply, Then then) {
        auto *watcher = new QDBusPendingCallWatcher(reply, this);
        connect(watcher, &QDBusPendingCallWatcher::finished, this, [this, watcher, then] {
            watcher->deleteLater();
            Reply reply = *watcher;
            if (!reply.isError()) return then(reply);
            tell(reply.error());
            wait();
        });
    }

    // Says what is the matter, and sees to another try. Never in a loop: the server counts.
    void tell(const QDBusError &error) {
        say(wordsOf(error.name()) + ": " + error.message());
        m_gone = error.type() == QDBusError::ServiceUnknown || error.type() == QDBusError::NoReply;
        if (m_gone) {
            // NoReply is the bus's word for a tokend that has ended, and Qt's for its own time-out.
            if (m_bus.interface()->isServiceRegistered(TOKEND)) {
                say("trying again in 30 s");
                m_retry.start(30s);
            }
            return;
        }
        m_used = m_tokend.tokenNumber(); // another one is a reason to try again
        if (!error.name().endsWith(".Unavailable") && !error.name().endsWith(".Throttled")) return;
        // While there is a token, RetryAt is about its refresh.
        const qint64 retryAt = m_used == 0 ? qint64(m_tokend.retryAt()) : 0;
        const qint64 left = retryAt - QDateTime::currentSecsSinceEpoch();
        if (left < 0) return say("trying again when there is a new token");
        say(QString("trying again in %1 s").arg(left + 1));
        m_retry.start(std::chrono::seconds(left + 1));
    }

    void wait() {
        say("waiting for a new token");
        m_busy = false;
        look(); // at what has changed meanwhile
    }

    QDBusConnection m_bus;
    TvTokendApplication1Interface m_tokend;
    QDBusServiceWatcher m_owner;
    QNetworkAccessManager m_network;
    QTimer m_retry;
    const QUrl m_url;
    qulonglong m_used = 0;   // the TokenNumber that the last call was made with
    bool m_busy = false;     // a call is under way
    bool m_replaced = false; // it has had its token replaced
    bool m_gone = false;     // tokend is not there, or does not answer
    bool m_back = false;     // tokend was gone, and is there again
};

int main(int argc, char **argv) {
    QCoreApplication app(argc, argv);
    const QStringList arguments = app.arguments();
    if (arguments.size() != 3 || !arguments[2].startsWith("https:")) {
        QTextStream(stderr) << "usage: " << arguments[0] << " APPLICATION HTTPS-URL" << Qt::endl;
        return 64;
    }
    qDBusRegisterMetaType<Headers>();
    // Qt looks at the system's bundle alone.
    if (const QString ca = qEnvironmentVariable("SSL_CERT_FILE"); !ca.isEmpty()) {
        QSslConfiguration tls = QSslConfiguration::defaultConfiguration();
        tls.setCaCertificates(QSslCertificate::fromPath(ca));
        QSslConfiguration::setDefaultConfiguration(tls);
    }
    if (const QDBusConnection bus = QDBusConnection::systemBus(); !bus.isConnected()) {
        QTextStream(stderr) << "no system bus: " << bus.lastError().message() << Qt::endl;
        return EXIT_FAILURE;
    }
    Player player(arguments[1], QUrl(arguments[2]));
    player.callApi();
    return app.exec();
}

#include "player.moc"
